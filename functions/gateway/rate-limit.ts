import type { ServerResponse } from 'node:http'
import type { Redis } from 'ioredis'
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import { Rejected } from '../../shared/errors.ts'

export interface RateLimit {
  /** Takes one request of `client`'s share, and says in the headers what is left. Throws Rejected `rate_limited`. */
  take(client: string, response: ServerResponse): Promise<void>
}

/**
 * So many requests a window and client, counted in Redis by all gateways together. While Redis is away each gateway counts for itself:
 * a little more gets through, nobody is turned away.
 */
export function rateLimit(options: { redis: Redis; requests: number; seconds: number; limited: () => void }): RateLimit {
  const { requests: points, seconds: duration } = options
  const limiter = new RateLimiterRedis({
    storeClient: options.redis,
    keyPrefix: 'tidemark:limit',
    points,
    duration,
    // A client over its limit is refused without asking Redis again until its window ends.
    inMemoryBlockOnConsumed: points + 1,
    insuranceLimiter: new RateLimiterMemory({ points, duration }),
  })
  // https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ (revision 10)
  const policy = `"client";q=${points};w=${duration}`
  const tell = (response: ServerResponse, { remainingPoints, msBeforeNext }: RateLimiterRes): number => {
    const reset = Math.max(Math.ceil(msBeforeNext / 1_000), 1)
    response.setHeader('ratelimit-policy', policy)
    response.setHeader('ratelimit', `"client";r=${Math.max(remainingPoints, 0)};t=${reset}`)
    return reset
  }
  return {
    async take(client, response) {
      try {
        tell(response, await limiter.consume(client))
      } catch (refusal) {
        if (!(refusal instanceof RateLimiterRes)) throw refusal
        const reset = tell(response, refusal)
        options.limited()
        response.setHeader('retry-after', String(reset))
        throw new Rejected('rate_limited', `At most ${points} requests in ${duration} s.`, { retryAfter: reset })
      }
    },
  }
}
