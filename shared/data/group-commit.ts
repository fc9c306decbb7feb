import { Transient } from '../errors.ts'

interface Waiting<C, A> {
  readonly command: C
  readonly resolve: (answer: A) => void
  readonly reject: (error: unknown) => void
}

/** What became of one command of a batch. */
export type Settled<A> = { readonly answer: A } | { readonly error: unknown }

/**
 * Lets commands that arrive while a transaction is in flight share the next one.
 *
 * There is no linger: an idle writer starts at once with what is there, so a lone command waits for nobody, and under load the
 * batches grow by themselves to what arrives during one commit.
 */
export class GroupCommit<C, A> {
  readonly #run: (batch: readonly C[]) => Promise<readonly Settled<A>[]>
  readonly #maxBatch: number
  readonly #maxWaiting: number
  readonly #weight: (command: C) => number
  #waiting: Waiting<C, A>[] = []
  #idleWriters: number

  /**
   * @param run commits a batch and settles each command, in order. When it throws, every command of the batch fails with that error.
   */
  constructor(
    run: (batch: readonly C[]) => Promise<readonly Settled<A>[]>,
    options: { writers?: number; maxBatch?: number; maxWaiting?: number; weight?: (command: C) => number } = {},
  ) {
    this.#run = run
    this.#idleWriters = options.writers ?? 1
    this.#maxBatch = options.maxBatch ?? 128
    this.#maxWaiting = options.maxWaiting ?? 2_000
    this.#weight = options.weight ?? (() => 1)
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Settles once the command's batch is on disk. */
  submit(command: C): Promise<A> {
    if (this.#waiting.length >= this.#maxWaiting) return Promise.reject(new Transient('overloaded'))
    const { promise, resolve, reject } = Promise.withResolvers<A>()
    this.#waiting.push({ command, resolve, reject })
    if (this.#idleWriters > 0) {
      this.#idleWriters--
      // After the current turn of the event loop: requests that were read together go together.
      setImmediate(() => void this.#write())
    }
    return promise
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#take()
      try {
        const settled = await this.#run(batch.map(({ command }) => command))
        batch.forEach(({ resolve, reject }, index) => {
          const result = settled[index]
          if (result && 'answer' in result) resolve(result.answer)
          else reject(result?.error ?? new Transient('internal'))
        })
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    this.#idleWriters++
  }

  /** The next commands, up to a weight of `maxBatch`; the first one goes whatever it weighs. */
  #take(): Waiting<C, A>[] {
    let weight = 0
    let count = 0
    for (const { command } of this.#waiting) {
      weight += this.#weight(command)
      if (count > 0 && weight > this.#maxBatch) break
      count++
    }
    return this.#waiting.splice(0, count)
  }
}
