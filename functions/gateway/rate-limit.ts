import type { ServerResponse } from 'node:http'
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import type { RedisClient } from '../../shared/data/redis.ts'
import { Rejected } from '../../shared/errors.ts'

export interface RateLimit {
  /** Takes one request of `client`'s share, and says in the headers what is left. Throws Rejected `rate_limited`. */
  take(client: string, response: ServerResponse): Promise<void>
}

/** What a gateway has taken of a client's share and not yet given out. */
interface Lease {
  left: number
  /** What Redis still has for the client after this. */
  remaining: number
  until: number
}

/** A lease is a hundredth of the share: at most so much of it is lost when its window ends. */
const leaseOf = (requests: number): number => Math.max(Math.floor(requests / 100), 1)
const takeOne = (lease: Lease): boolean => lease.left > 0 && lease.left-- > 0
/** Clients whose leases are kept. */
const leaseLimit = 10_000

/**
 * So many requests a window and client, counted in Redis by all gateways together. A gateway takes a hundredth of a share at a time,
 * for a round trip a request costs more than everything else that it does. While Redis is away each gateway counts for itself: a
 * little more gets through, nobody is turned away.
 */
export function rateLimit(options: { redis: RedisClient; requests: number; seconds: number; limited: () => void }): RateLimit {
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
  const size = leaseOf(points)
  const leases = new Map<string, Lease>()
  const pending = new Map<string, Promise<Lease>>()

  async function takeLease(client: string): Promise<Lease> {
    const { remainingPoints, msBeforeNext } = await limiter.consume(client, size)
    const lease = { left: size, remaining: remainingPoints, until: Date.now() + msBeforeNext }
    if (leases.size >= leaseLimit) leases.delete(leases.keys().next().value as string)
    leases.set(client, lease)
    return lease
  }

  /** A lease of which one request has been taken. */
  async function leaseFor(client: string): Promise<Lease> {
    for (;;) {
      const known = leases.get(client)
      if (known && known.until > Date.now() && takeOne(known)) return known
      let taking = pending.get(client)
      if (!taking) {
        taking = takeLease(client).finally(() => pending.delete(client))
        pending.set(client, taking)
      }
      const taken = await taking
      // Those who waited for the same lease share it; who finds it used up takes the next.
      if (takeOne(taken)) return taken
    }
  }

  // https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ (revision 10)
  const policy = `"client";q=${points};w=${duration}`
  const tell = (response: ServerResponse, remaining: number, milliseconds: number): number => {
    const reset = Math.max(Math.ceil(milliseconds / 1_000), 1)
    response.setHeader('ratelimit-policy', policy)
    response.setHeader('ratelimit', `"client";r=${Math.max(remaining, 0)};t=${reset}`)
    return reset
  }
  return {
    async take(client, response) {
      try {
        const lease = await leaseFor(client)
        tell(response, lease.remaining + lease.left, lease.until - Date.now())
      } catch (refusal) {
        if (!(refusal instanceof RateLimiterRes)) throw refusal
        const reset = tell(response, 0, refusal.msBeforeNext)
        options.limited()
        response.setHeader('retry-after', String(reset))
        throw new Rejected('rate_limited', `At most ${points} requests in ${duration} s.`, { retryAfter: reset })
      }
    },
  }
}
