import { Agent, type IncomingMessage, request as outgoingRequest, type ServerResponse } from 'node:http'
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
const agent = new Agent({
  keepAlive: true,
  keepAliveMsecs: 1_000,
  maxSockets: 512,
  maxFreeSockets: 256,
  scheduling: 'lifo',
  timeout: 60_000,
})

/** Streams a request to a function and its answer back, without reading either. Settles when the answer has been sent. */
export function forward(target: URL, request: IncomingMessage, response: ServerResponse, context: WorkContext): Promise<void> {
  // The client may have gone away while its token was checked.
  if (response.closed) return Promise.resolve()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const upstream = outgoingRequest({
    agent,
    host: target.hostname,
    port: target.port,
    method: request.method ?? 'GET',
    path: target.pathname === '/' ? (request.url ?? '/') : target.pathname + request.url,
    headers: forwardedHeaders(target, request, context),
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

function forwardedHeaders(target: URL, request: IncomingMessage, context: WorkContext): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {}
  copyEndToEnd(request.headers, (name, value) => {
    headers[name] = value
  })
  headers.host = target.host
  headers['x-forwarded-for'] = request.socket.remoteAddress ?? ''
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
