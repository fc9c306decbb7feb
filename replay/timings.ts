import type { CallLog } from './calls.ts'

export type Timing = { count: number; p50: number; p95: number; p99: number }

/** Every answer's time in ms by kind of call, and how often a call was tried again. 25,000 numbers are cheaper to keep than to estimate. */
export class Timings implements CallLog {
  readonly #times = new Map<string, number[]>()
  retries = 0

  answered(name: string, ms: number): void {
    const own = this.#times.get(name)
    if (own) own.push(ms)
    else this.#times.set(name, [ms])
  }

  retried(): void {
    this.retries += 1
  }

  summary(): Record<string, Timing> {
    return Object.fromEntries(
      [...this.#times].map(([name, times]) => {
        const sorted = times.toSorted((a, b) => a - b)
        return [name, { count: sorted.length, p50: rank(sorted, 0.5), p95: rank(sorted, 0.95), p99: rank(sorted, 0.99) }]
      }),
    )
  }
}

/** Nearest rank, to a tenth of a millisecond. */
function rank(sorted: readonly number[], share: number): number {
  return Math.round((sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0) * 10) / 10
}
