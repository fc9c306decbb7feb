import { Transient } from '../errors.ts'

interface Waiting<C, A> {
  readonly command: C
  readonly weight: number
  /** Milliseconds of the process. */
  readonly since: number
  /** Milliseconds since the epoch after which nobody waits for the answer. */
  readonly deadline: number
  readonly resolve: (answer: A) => void
  readonly reject: (error: unknown) => void
}

/** What became of one command of a batch. */
export type Settled<A> = { readonly answer: A } | { readonly error: unknown }

/** What waits weighs enough for a transaction beside the one in flight. */
const worthAnother = 8

/** Milliseconds that less than that waits for the one in flight, which may be held up by a lock. */
const patience = 10

/**
 * Lets commands that arrive while a transaction is in flight share the next one.
 *
 * There is no linger: the first writer starts at once with what is there, so a lone command waits for nobody, and under load the
 * batches grow by themselves to what arrives during one commit. Another one joins for what is worth a transaction of its own: two
 * that carry one command each cost twice, and wait for the same processors and the same disk.
 */
export class GroupCommit<C, A> {
  readonly #run: (batch: readonly C[]) => Promise<readonly Settled<A>[]>
  readonly #maxBatch: number
  readonly #maxWaiting: number
  readonly #maxDelay: number
  readonly #weight: (command: C) => number
  readonly #writers: number
  readonly #worthAnother: number
  #impatience: NodeJS.Timeout | undefined
  #waiting: Waiting<C, A>[] = []
  #waitingWeight = 0
  #idleWriters: number

  /**
   * @param run commits a batch and settles each command, in order. When it throws, every command of the batch fails with that error.
   * @param options.writers transactions at once at most
   * @param options.maxWaiting commands that may wait; further ones are refused
   * @param options.maxDelay milliseconds that a command may wait before this is `saturated`
   */
  constructor(
    run: (batch: readonly C[]) => Promise<readonly Settled<A>[]>,
    options: {
      writers?: number
      maxBatch?: number
      maxWaiting?: number
      maxDelay?: number
      weight?: (command: C) => number
    } = {},
  ) {
    this.#run = run
    this.#writers = options.writers ?? 1
    this.#idleWriters = this.#writers
    this.#maxBatch = options.maxBatch ?? 128
    this.#worthAnother = Math.min(worthAnother, this.#maxBatch)
    this.#maxWaiting = options.maxWaiting ?? 2_000
    this.#maxDelay = options.maxDelay ?? 100
    this.#weight = options.weight ?? (() => 1)
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /**
   * Whether more comes than is committed, so that what may come later should: the first of the queue has waited too long though
   * more waits than the next batch takes (less is a pause of the database and no overload), or the queue is half full.
   * The other half is for what finishes older work.
   */
  get saturated(): boolean {
    const { length } = this.#waiting
    const isMoreThanABatch = length > 1 && this.#waitingWeight > this.#maxBatch
    return length >= this.#maxWaiting / 2 || (isMoreThanABatch && this.#delay() > this.#maxDelay)
  }

  /** Milliseconds that the first of the queue has waited: about what the next one will. */
  #delay(): number {
    const first = this.#waiting[0]
    return first ? performance.now() - first.since : 0
  }

  /**
   * Settles once the command's batch is on disk. Refused as `overloaded`, the command has not been run and will not be.
   *
   * @param deadline milliseconds since the epoch after which nobody waits for the answer
   */
  submit(command: C, deadline = Number.POSITIVE_INFINITY): Promise<A> {
    const full = this.#waiting.length >= this.#maxWaiting
    if (full || Date.now() + this.#delay() >= deadline) return Promise.reject(new Transient('overloaded'))
    const { promise, resolve, reject } = Promise.withResolvers<A>()
    const weight = this.#weight(command)
    this.#waitingWeight += weight
    this.#waiting.push({ command, weight, since: performance.now(), deadline, resolve, reject })
    if (this.#idleWriters > 0) {
      const isFirst = this.#idleWriters === this.#writers
      if (isFirst || this.#waitingWeight >= this.#worthAnother) this.#begin()
      else this.#impatience ??= setTimeout(() => this.#hurry(), patience)
    }
    return promise
  }

  #begin(): void {
    this.#idleWriters--
    // After the current turn of the event loop: requests that were read together go together.
    setImmediate(() => void this.#write())
  }

  #hurry(): void {
    this.#impatience = undefined
    if (this.#waiting.length > 0 && this.#idleWriters > 0) this.#begin()
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#take()
      if (batch.length === 0) continue
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

  /**
   * The next commands, up to a weight of `maxBatch`; the first one goes whatever it weighs. Those that nobody waits for any more are
   * refused on the way: to run them would only make the others late too.
   */
  #take(): Waiting<C, A>[] {
    const now = Date.now()
    const batch: Waiting<C, A>[] = []
    let weight = 0
    let passed = 0
    for (const waiting of this.#waiting) {
      if (waiting.deadline <= now) waiting.reject(new Transient('overloaded'))
      else {
        weight += waiting.weight
        if (batch.length > 0 && weight > this.#maxBatch) break
        batch.push(waiting)
      }
      this.#waitingWeight -= waiting.weight
      passed++
    }
    this.#waiting.splice(0, passed)
    return batch
  }
}
