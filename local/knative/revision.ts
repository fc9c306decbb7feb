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
  readonly #starts = new Set<Promise<void>>()
  readonly #idleTimers = new Map<Instance, NodeJS.Timeout>()
  #stopped = false
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
    if (this.#stopped) throw this.#beingStopped()
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
    for (const timer of this.#idleTimers.values()) clearTimeout(timer)
    for (const { reject } of this.#waiting.splice(0)) reject(this.#beingStopped())
    await Promise.all([...[...this.#instances].map(instance => instance.stop(drainDeadline)), ...this.#starts])
  }

  #beingStopped(): Error {
    return new Error(`${this.name} is being stopped.`)
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
    clearTimeout(this.#idleTimers.get(instance))
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
        else this.#stopWhenIdle(instance)
      },
    }
  }

  #scaleUp(): void {
    const inFlight = [...this.#instances].reduce((sum, instance) => sum + instance.inFlight, this.#waiting.length)
    const target = (this.#options.scale.concurrency || unlimitedTarget) * targetUtilization
    const wanted = Math.min(Math.ceil(inFlight / target), this.#options.scale.max, this.#options.most)
    if (this.#instances.size + this.#starting < wanted) void this.#add()
  }

  #add(): Promise<void> {
    const start = this.#start().finally(() => this.#starts.delete(start))
    this.#starts.add(start)
    return start
  }

  async #start(): Promise<void> {
    this.#starting++
    try {
      const instance = await this.#options.start()
      this.#coldStarts++
      this.#instances.add(instance)
      void instance.ended.then(() => this.#lost(instance))
      if (this.#stopped) return void (await instance.stop(0))
      while (this.#waiting.length > 0 && instance.inFlight < this.#limit) this.#waiting.shift()?.resolve(this.#take(instance))
      this.#stopWhenIdle(instance)
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
    clearTimeout(this.#idleTimers.get(instance))
    this.#idleTimers.delete(instance)
    this.#keepMinimum()
    if (this.#waiting.length > 0) this.#scaleUp()
  }

  #keepMinimum(): void {
    if (this.#stopped || this.#instances.size >= this.#options.scale.min) return
    setTimeout(() => {
      if (!this.#stopped && this.#instances.size + this.#starting < this.#options.scale.min) void this.#add()
    }, restartPause)
  }

  /** Each for itself: a busy instance keeps no other one running. */
  #stopWhenIdle(instance: Instance): void {
    if (instance.inFlight > 0 || !this.#instances.has(instance)) return
    clearTimeout(this.#idleTimers.get(instance))
    const timer = setTimeout(() => {
      if (this.#stopped || this.#instances.size <= this.#options.scale.min) return
      this.#instances.delete(instance)
      this.#idleTimers.delete(instance)
      void instance.stop(drainDeadline)
    }, this.#options.idle)
    this.#idleTimers.set(instance, timer)
  }
}
