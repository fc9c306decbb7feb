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
  const timer = setTimeout(() => upstream.destroy(new Error('deadline')), Math.max(context.deadline - Date.now(), 1))
  upstream.on('error', fail)
  upstream.on('response', incoming => {
    response.statusCode = incoming.statusCode ?? 502
    for (const [name, value] of Object.entries(incoming.headers)) {
      if (!hopByHop.has(name) && value !== undefined) response.setHeader(name, value)
    }
    incoming.on('error', fail)
    incoming.pipe(response)
  })
  // The client went away, or has its answer.
  response.on('close', () => {
    clearTimeout(timer)
    if (!response.writableFinished) upstream.destroy()
    resolve()
  })
  request.on('error', () => upstream.destroy())
  request.pipe(upstream)
  return promise
}

function forwardedHeaders(target: URL, request: IncomingMessage, context: WorkContext): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {}
  const named = new Set(
    String(request.headers.connection ?? '')
      .toLowerCase()
      .split(/\s*,\s*/),
  )
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined && !hopByHop.has(name) && !named.has(name)) headers[name] = value
  }
  headers.host = target.host
  headers['x-forwarded-for'] = request.socket.remoteAddress ?? ''
  headers['x-forwarded-host'] = request.headers.host ?? ''
  headers['x-request-id'] = context.requestId
  headers.traceparent = formatTraceparent(context.trace)
  if (request.headers['transfer-encoding'] !== undefined) headers['transfer-encoding'] = 'chunked'
  return headers
}
