import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import type { RedisClient } from '../../shared/data/redis.ts'
import type { ChannelName } from './channels/channel.ts'
import type { Priority } from './retry-plan.ts'

/** What each provider takes a second of all instances together; 0 is without limit. */
export type RateOf = (channel: ChannelName) => number

export interface Rates {
  /**
   * Takes one message of a provider's share, waiting at most `patience` milliseconds for it.
   * @returns false when it was not to be had in that time
   */
  take(channel: ChannelName, lane: Priority, patience: number): Promise<boolean>
}

/** Of each provider's rate, what the normal lane may use at most: the rest is always there for the urgent one. */
const normalShare = 0.8
/** Instances that share a rate when nobody counts for all: while Redis is away each keeps to its part, so that together they stay below. */
const instances = 6

/**
 * Counted in Redis by all instances together, in windows of a second. The normal lane is counted twice, against its own share and against
 * the whole; the urgent one against the whole alone.
 */
export function providerRates(redis: RedisClient, rateOf: RateOf): Rates {
  const limiters = new Map<string, RateLimiterRedis>()

  function limiter(name: string, points: number): RateLimiterRedis {
    const key = `${name}:${points}`
    let made = limiters.get(key)
    if (!made) {
      const part = Math.max(Math.floor(points / instances), 1)
      made = new RateLimiterRedis({
        storeClient: redis,
        keyPrefix: 'tidemark:send',
        points,
        duration: 1,
        inMemoryBlockOnConsumed: points + 1,
        rejectIfRedisNotReady: true,
        insuranceLimiter: new RateLimiterMemory({ points: part, duration: 1 }),
      })
      limiters.set(key, made)
    }
    return made
  }

  /** @returns milliseconds after which to ask again; 0 when it was taken */
  async function tryTake(channel: ChannelName, lane: Priority, rate: number): Promise<number> {
    try {
      // A rate of one cannot be shared out: there the lanes are equal.
      if (lane === 'normal' && rate > 1)
        await limiter(`${channel}:normal`, Math.floor(rate * normalShare) || 1).consume(`${channel}:normal`)
      await limiter(channel, rate).consume(channel)
      return 0
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal
      return Math.max(refusal.msBeforeNext, 1)
    }
  }

  return {
    async take(channel, lane, patience) {
      const end = performance.now() + patience
      for (;;) {
        const rate = rateOf(channel)
        if (rate === 0) return true
        const wait = await tryTake(channel, lane, rate)
        if (wait === 0) return true
        // Those who wait for the same window do not all ask in its first millisecond.
        const pause = wait + Math.random() * 50
        if (performance.now() + pause > end) return false
        await new Promise(resolve => setTimeout(resolve, pause))
      }
    },
  }
}
