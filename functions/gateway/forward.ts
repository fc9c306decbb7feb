import {
  Agent,
  type ClientRequest,
  type IncomingMessage,
  request as plainRequest,
  type RequestOptions,
  type ServerResponse,
} from 'node:http'
import { Agent as TlsAgent, request as tlsRequest } from 'node:https'
import { Transient } from '../../shared/errors.ts'
import type { WorkContext } from '../../shared/telemetry/context.ts'
import { formatTraceparent } from '../../shared/telemetry/trace.ts'

/** Headers that belong to one connection (RFC 9110 section 7.6.1). */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Idle connections are given up before the functions give them up (75 s), so that none is closed under a request. */
const kept = {
  keepAlive: true,
  keepAliveMsecs: 1_000,
  maxSockets: 512,
  maxFreeSockets: 256,
  scheduling: 'lifo',
  timeout: 60_000,
} as const
const agent = new Agent(kept)
/** Made with the first request by TLS, which takes 15 ms of CPU to load: inside the cluster there is none. */
let tlsAgent: TlsAgent | undefined

export interface Forwarding {
  /** Host, port and whether by TLS. */
  readonly to: URL
  readonly path: string
  /** Where the client calls from. */
  readonly address: string
  readonly context: WorkContext
}

/** Streams a request to a function and its answer back, without reading either. Settles when the answer has been sent. */
export function forward(forwarding: Forwarding, request: IncomingMessage, response: ServerResponse): Promise<void> {
  // The client may have gone away while its token was checked.
  if (response.closed) return Promise.resolve()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const upstream = connection(forwarding.to)({
    method: request.method ?? 'GET',
    path: forwarding.path,
    headers: forwardedHeaders(forwarding, request),
  })
  const fail = (cause: Error) => reject(new Transient('unavailable', 'The function gave no answer.', { cause }))
  let answered = false
  upstream.on('error', fail)
  upstream.on('response', incoming => {
    const failure = failureOf(incoming)
    if (failure) {
      answered = true
      incoming.resume()
      return reject(failure)
    }
    response.statusCode = incoming.statusCode ?? 502
    copyEndToEnd(incoming.headers, (name, value) => response.setHeader(name, value))
    incoming.on('error', fail)
    incoming.on('end', () => {
      answered = true
    })
    incoming.pipe(response)
  })
  // The client has its answer, has been told that there is none in time, or went away.
  response.on('close', () => {
    if (!answered) upstream.destroy()
    resolve()
  })
  request.on('error', () => upstream.destroy())
  request.pipe(upstream)
  return promise
}

function connection({ protocol, hostname: host, port }: URL): (options: RequestOptions) => ClientRequest {
  if (protocol !== 'https:') return options => plainRequest({ ...options, host, port, agent })
  tlsAgent ??= new TlsAgent(kept)
  return options => tlsRequest({ ...options, host, port, agent: tlsAgent })
}

/** A 5xx that is no problem does not come from the function but from what stands before it: the function was not reached. */
function failureOf({ statusCode = 502, headers }: IncomingMessage): Transient | undefined {
  if (statusCode < 500 || headers['content-type']?.startsWith('application/problem+json')) return undefined
  const cause = new Error(`${statusCode} without a problem`)
  if (statusCode === 504) return new Transient('deadline_exceeded', undefined, { cause })
  return new Transient('unavailable', 'The function was not reached.', {
    cause,
    retryAfter: Number(headers['retry-after']) || 1,
  })
}

function forwardedHeaders({ to, address, context }: Forwarding, request: IncomingMessage): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {}
  copyEndToEnd(request.headers, (name, value) => {
    headers[name] = value
  })
  headers.host = to.host
  headers['x-forwarded-for'] = address
  headers['x-forwarded-host'] = request.headers.host ?? ''
  headers['x-request-id'] = context.requestId
  headers.traceparent = formatTraceparent(context.trace)
  if (request.headers['transfer-encoding'] !== undefined) headers['transfer-encoding'] = 'chunked'
  return headers
}

/** All headers but those of this connection, some of which only `Connection` names. */
function copyEndToEnd(headers: IncomingMessage['headers'], copy: (name: string, value: string | string[]) => void): void {
  const connection = headers.connection?.toLowerCase()
  const named = connection && connection !== 'keep-alive' && connection !== 'close' ? connection.split(/\s*,\s*/) : undefined
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined && !hopByHop.has(name) && !named?.includes(name)) copy(name, value)
  }
}
