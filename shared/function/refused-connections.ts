import type { Socket } from 'node:net'

/** Milliseconds between two rounds. */
const every = 5
/** Connections that are let go a millisecond: so many refusals leave most of the time for what was let in. */
const perMillisecond = 4

/**
 * Lets connections that were refused speak again one after another. Who asks again at once, in spite of Retry-After, is not read
 * before its turn: else a saturated function would spend all its time with saying no (Mogul and Ramakrishnan, Eliminating Receive
 * Livelock in an Interrupt-driven Kernel, 1997). A connection has one request on its way, so what waits unread in the kernel is bounded.
 */
export class RefusedConnections {
  #answered: Socket[] = []
  #waiting: Socket[] = []
  #timer: NodeJS.Timeout | undefined
  #last = 0

  add(socket: Socket): void {
    this.#answered.push(socket)
    // With its answer Node lets the connection go on; after that it can be stopped.
    if (this.#answered.length === 1) setImmediate(() => this.#stop())
  }

  #stop(): void {
    for (const socket of this.#answered) socket.pause()
    this.#waiting.push(...this.#answered)
    this.#answered = []
    if (this.#timer) return
    this.#last = performance.now()
    this.#timer = setInterval(() => this.#letGo(), every)
  }

  #letGo(): void {
    const now = performance.now()
    for (const socket of this.#waiting.splice(0, Math.ceil((now - this.#last) * perMillisecond))) socket.resume()
    this.#last = now
    if (this.#waiting.length > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
