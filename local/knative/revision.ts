import type { Scale } from '../../shared/function/declare.ts'
import type { Instance } from './instance.ts'

/** A place to send a request to, for as long as it takes. */
export interface Lease {
  readonly port: number
  release(): void
}

export interface RevisionOptions {
  readonly name: string
  readonly scale: Scale
  /** At most so many processes, whatever `scale.max` says: this is one machine. */
  readonly most: number
  /** Milliseconds without a request after which a process is stopped. */
  readonly idle: number
  readonly start: () => Promise<Instance>
  readonly say: (line: string) => void
}

/** Share of an instance's concurrency at which Knative's autoscaler asks for another. */
const targetUtilization = 0.7
/** Knative's target for a function without a limit of its own. */
const unlimitedTarget = 100
/** Milliseconds a process may take to drain. */
const drainDeadline = 20_000
/** Milliseconds between tries to bring back what must not scale to zero. */
const restartPause = 300

/**
 * The instances of one function, as Knative's autoscaler and activator keep them: started by the first request, more of them with
 * more requests at once, stopped when idle, never fewer than `scale.min`. A stand-in for one machine: it looks at the requests in
 * flight and not at an average of 60 seconds, and keeps no panic window.
 */
export class Revision {
  readonly name: string
  readonly #options: RevisionOptions
  readonly #instances = new Set<Instance>()
  readonly #waiting: { resolve: (lease: Lease) => void; reject: (error: Error) => void }[] = []
  #starting = 0
  #stopped = false
  #idleTimer: NodeJS.Timeout | undefined
  #coldStarts = 0

  constructor(options: RevisionOptions) {
    this.name = options.name
    this.#options = options
  }

  get pids(): number[] {
    return [...this.#instances].map(({ pid }) => pid)
  }

  get coldStarts(): number {
    return this.#coldStarts
  }

  get ports(): { port: number; metricsPort: number }[] {
    return [...this.#instances].map(({ port, metricsPort }) => ({ port, metricsPort }))
  }

  /** Brings up what must never be away. */
  async warm(): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.scale.min }, () => this.#add()))
  }

  /** An instance that has room, as soon as there is one. */
  async lease(): Promise<Lease> {
    const instance = this.#leastBusy()
    if (instance) {
      const lease = this.#take(instance)
      this.#scaleUp()
      return lease
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#scaleUp()
    })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#idleTimer)
    for (const { reject } of this.#waiting.splice(0)) reject(new Error(`${this.name} is being stopped.`))
    await Promise.all([...this.#instances].map(instance => instance.stop(drainDeadline)))
  }

  get #limit(): number {
    return this.#options.scale.concurrency || Number.POSITIVE_INFINITY
  }

  #leastBusy(): Instance | undefined {
    let best: Instance | undefined
    for (const instance of this.#instances) {
      if (instance.inFlight < this.#limit && (!best || instance.inFlight < best.inFlight)) best = instance
    }
    return best
  }

  #take(instance: Instance): Lease {
    clearTimeout(this.#idleTimer)
    instance.inFlight++
    let released = false
    return {
      port: instance.port,
      release: () => {
        if (released) return
        released = true
        instance.inFlight--
        const next = this.#instances.has(instance) ? this.#waiting.shift() : undefined
        if (next) next.resolve(this.#take(instance))
        else this.#stopWhenIdle()
      },
    }
  }

  #scaleUp(): void {
    const inFlight = [...this.#instances].reduce((sum, instance) => sum + instance.inFlight, this.#waiting.length)
    const target = (this.#options.scale.concurrency || unlimitedTarget) * targetUtilization
    const wanted = Math.min(Math.ceil(inFlight / target), this.#options.scale.max, this.#options.most)
    if (this.#instances.size + this.#starting < wanted) void this.#add()
  }

  async #add(): Promise<void> {
    this.#starting++
    try {
      const instance = await this.#options.start()
      this.#coldStarts++
      this.#instances.add(instance)
      void instance.ended.then(() => this.#lost(instance))
      if (this.#stopped) return void (await instance.stop(0))
      while (this.#waiting.length > 0 && instance.inFlight < this.#limit) this.#waiting.shift()?.resolve(this.#take(instance))
      this.#stopWhenIdle()
    } catch (error) {
      this.#options.say((error as Error).message)
      if (this.#instances.size === 0 && this.#starting === 1) {
        for (const { reject } of this.#waiting.splice(0)) reject(error as Error)
      }
      this.#keepMinimum()
    } finally {
      this.#starting--
    }
  }

  #lost(instance: Instance): void {
    this.#instances.delete(instance)
    this.#keepMinimum()
    if (this.#waiting.length > 0) this.#scaleUp()
  }

  #keepMinimum(): void {
    if (this.#stopped || this.#instances.size >= this.#options.scale.min) return
    setTimeout(() => {
      if (!this.#stopped && this.#instances.size + this.#starting < this.#options.scale.min) void this.#add()
    }, restartPause)
  }

  #stopWhenIdle(): void {
    clearTimeout(this.#idleTimer)
    if (this.#stopped || this.#instances.size <= this.#options.scale.min) return
    this.#idleTimer = setTimeout(() => {
      const idle = [...this.#instances].filter(({ inFlight }) => inFlight === 0)
      for (const instance of idle.slice(0, this.#instances.size - this.#options.scale.min)) {
        this.#instances.delete(instance)
        void instance.stop(drainDeadline)
      }
    }, this.#options.idle)
  }
}
