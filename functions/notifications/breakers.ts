import CircuitBreaker from 'opossum'
import { Rejected, Transient } from '../../shared/errors.ts'
import type { Metrics } from '../../shared/telemetry/metrics.ts'

type Work = () => Promise<unknown>

/** Receivers of webhooks are many, and each fails for itself. */
const mostBreakers = 500

/**
 * One breaker a provider. It opens when half of at least 10 tries within 10 s failed, fails at once for `pause` milliseconds, then lets
 * one through. What a provider refuses for good is an answer like any other, and no failure of it.
 */
export class Breakers {
  readonly #breakers = new Map<string, CircuitBreaker<[Work]>>()
  readonly #pause: () => number
  readonly #metrics: Metrics

  constructor(pause: () => number, metrics: Metrics) {
    this.#pause = pause
    this.#metrics = metrics
  }

  async through<T>(provider: string, work: () => Promise<T>): Promise<T> {
    const breaker = this.#of(provider)
    try {
      return (await breaker.fire(work)) as T
    } catch (error) {
      if ((error as { code?: string }).code !== 'EOPENBREAKER') throw error
      const retryAfter = Math.ceil(this.#pause() / 1_000)
      throw new Transient('unavailable', `${provider} has been failing and is left alone for a moment.`, { retryAfter })
    }
  }

  #of(provider: string): CircuitBreaker<[Work]> {
    const known = this.#breakers.get(provider)
    if (known) return known
    const [oldest] = this.#breakers.keys()
    if (this.#breakers.size >= mostBreakers && oldest !== undefined) {
      this.#breakers.get(oldest)?.shutdown()
      this.#breakers.delete(oldest)
    }
    const breaker = new CircuitBreaker((work: Work) => work(), {
      name: provider,
      timeout: false,
      errorThresholdPercentage: 50,
      volumeThreshold: 10,
      rollingCountTimeout: 10_000,
      resetTimeout: this.#pause(),
      errorFilter: error => error instanceof Rejected,
    })
    // Hosts of receivers are no labels: there may be any number of them.
    const label = { to: provider.split(':', 1)[0] as string }
    breaker.on('open', () => this.#metrics.breakerOpen.set(label, 1))
    breaker.on('close', () => this.#metrics.breakerOpen.set(label, 0))
    this.#breakers.set(provider, breaker)
    return breaker
  }

  close(): void {
    for (const breaker of this.#breakers.values()) breaker.shutdown()
  }
}
