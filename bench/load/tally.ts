import type { Connection } from './connection.ts'
import { type Processor, processor } from './process-figures.ts'

/** A load under which some requests may be refused. */
export interface Refusals {
  /** Requests that were due within the measured seconds, a second. */
  readonly offered: number
  readonly refused: number
  readonly refusedPerSecond: number
  /** Milliseconds from when a refused request went out to its whole answer. */
  readonly refusedP50: number
  readonly refusedP99: number
  /** Refusals that do not say when to come again. */
  readonly withoutRetryAfter: number
  /** Answers that are neither. */
  readonly others: number
  /** All answers with the wanted status since the load began, whenever they came: what the database must hold. */
  readonly done: number
  /** Milliseconds that requests went out after they were due, p99: for want of a connection, or of time. */
  readonly late: number
  /** What the load itself took. */
  readonly processor: Processor
}

const retryAfter = Buffer.from('\r\nretry-after: ')

export const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)] ?? Number.NaN

/**
 * Counts answers of which some may be refusals. A request belongs to the seconds in which it was due, an answer to those in which it came.
 * Its time begins when it goes out: where more is offered than connections carry, the wait for one grows as long as the load lasts.
 */
export class Tally {
  readonly #times: { from: number; until: number; status: number; refusal: number }
  readonly #took: number[] = []
  readonly #refused: number[] = []
  readonly #late: number[] = []
  #inTime = 0
  #refusedInTime = 0
  #withoutRetryAfter = 0
  #others = 0
  #done = 0
  #measuring: ReturnType<typeof processor> | undefined
  #processor: Processor | undefined

  constructor(times: { from: number; until: number; status: number; refusal: number }) {
    this.#times = times
    setTimeout(() => {
      this.#measuring = processor(process.pid)
    }, times.from - performance.now())
  }

  /** To be told when the measured seconds are over. */
  async ended(): Promise<void> {
    this.#processor = await (await this.#measuring)?.since()
  }

  sent({ due, sent }: Connection): void {
    if (due >= this.#times.from) this.#late.push(sent - due)
  }

  answered({ due, sent }: Connection, status: number, answer: Buffer): void {
    const now = performance.now()
    const { from, until } = this.#times
    const inTime = now >= from && now <= until
    if (status === this.#times.status) {
      this.#done++
      if (inTime) this.#inTime++
      if (due >= from) this.#took.push(now - sent)
    } else if (status === this.#times.refusal) {
      if (!answer.includes(retryAfter)) this.#withoutRetryAfter++
      if (inTime) this.#refusedInTime++
      if (due >= from) this.#refused.push(now - sent)
    } else this.#others++
  }

  result() {
    const seconds = (this.#times.until - this.#times.from) / 1_000
    for (const list of [this.#took, this.#refused, this.#late]) list.sort((a, b) => a - b)
    return {
      answers: this.#inTime,
      perSecond: this.#inTime / seconds,
      p50: at(this.#took, 0.5),
      p99: at(this.#took, 0.99),
      refusals: {
        offered: this.#late.length / seconds,
        refused: this.#refused.length,
        refusedPerSecond: this.#refusedInTime / seconds,
        refusedP50: at(this.#refused, 0.5),
        refusedP99: at(this.#refused, 0.99),
        withoutRetryAfter: this.#withoutRetryAfter,
        others: this.#others,
        done: this.#done,
        late: at(this.#late, 0.99),
        processor: this.#processor ?? { ran: Number.NaN, waited: Number.NaN },
      },
    }
  }
}
