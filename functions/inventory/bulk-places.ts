/**
 * Room for rows of bulk calls in the ledger's queue, shared by all such calls of an instance: what is left of the queue belongs to
 * single sales, which are refused when it is full.
 */
export class BulkPlaces {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(places: number) {
    this.#free = places
  }

  /** Runs `work` when there is a place. First come, first served. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free++
    }
  }
}
