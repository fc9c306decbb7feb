import type { IncomingMessage, ServerResponse } from 'node:http'
import cors from 'cors'

/**
 * @param origins whose pages may call, with commas between them
 * @returns whether the request is answered: a preflight is
 */
export function crossOrigin(origins: string): (request: IncomingMessage, response: ServerResponse) => boolean {
  const allowed = origins
    .split(',')
    .map(origin => origin.trim())
    .filter(Boolean)
  if (allowed.length === 0) return () => false
  const handle = cors({
    origin: allowed,
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: ['authorization', 'content-type', 'idempotency-key', 'if-match', 'traceparent'],
    exposedHeaders: ['etag', 'location', 'ratelimit', 'ratelimit-policy', 'retry-after', 'x-request-id', 'idempotency-replayed'],
    maxAge: 3_600,
  })
  return (request, response) => {
    let passed = false
    handle(request, response, () => {
      passed = true
    })
    return !passed
  }
}
