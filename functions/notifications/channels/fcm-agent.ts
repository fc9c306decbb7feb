import { AsyncLocalStorage } from 'node:async_hooks'
import type { ClientRequest } from 'node:http'
import { Agent } from 'node:https'
import { connect } from 'node:net'
import { Transient } from '../../../shared/errors.ts'
import { secondsOf } from './channel.ts'

interface Send {
  readonly signal: AbortSignal
  /** Ends the call, whatever the SDK still means to do. */
  readonly end: (error: Error) => void
  tried: boolean
}

const current = new AsyncLocalStorage<Send>()

/**
 * Does one call of the SDK, of which one request goes out at most, and none after `deadline` milliseconds. The SDK repeats what got a 503
 * or lost its connection, up to four times and for a minute: long after the message was given to somebody else.
 */
export async function once<T>(deadline: number, work: () => Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(deadline)
  const { promise: ended, reject: end } = Promise.withResolvers<never>()
  signal.addEventListener('abort', () => end(signal.reason as Error), { once: true })
  return Promise.race([current.run({ signal, end, tried: false }, work), ended])
}

/** Hands connections to the SDK, whose host is fixed: to Google, or in its place to `url`, by TLS or plainly. */
export class FcmAgent extends Agent {
  readonly #url: URL | undefined

  constructor(url: string | undefined) {
    super({ keepAlive: true, maxSockets: 50 })
    this.#url = url ? new URL(url) : undefined
  }

  override createConnection(...given: Parameters<Agent['createConnection']>) {
    const [options, callback] = given
    if (!this.#url) return super.createConnection(options, callback)
    const { protocol, hostname, port } = this.#url
    if (protocol === 'http:') return connect({ host: hostname, port: Number(port || 80) })
    return super.createConnection({ ...options, host: hostname, port: Number(port || 443), servername: hostname }, callback)
  }

  /** Node's own way of giving a request its connection: the one place that every request of the SDK passes. */
  addRequest(request: ClientRequest, ...rest: unknown[]): void {
    const send = current.getStore()
    if (send?.tried || send?.signal.aborted) {
      request.destroy(new Error('The message is tried once at a time.'))
      // Without a socket it would tell nobody.
      process.nextTick(() => request.onSocket(undefined as never))
      return
    }
    if (send) {
      send.tried = true
      const abort = () => request.destroy(send.signal.reason as Error)
      send.signal.addEventListener('abort', abort, { once: true })
      request.once('close', () => send.signal.removeEventListener('abort', abort))
      request.once('response', ({ statusCode, headers }) => {
        if (statusCode === 503) send.end(unavailable(headers['retry-after']))
      })
    }
    ;(Agent.prototype as unknown as { addRequest(...given: unknown[]): void }).addRequest.call(this, request, ...rest)
  }
}

function unavailable(header: unknown): Transient {
  const retryAfter = secondsOf(header)
  return new Transient('upstream_failed', 'FCM answered 503.', { ...(retryAfter !== undefined && { retryAfter }) })
}
