import type { IncomingMessage, ServerResponse } from 'node:http'
import { Transient } from '../errors.ts'
import type { TidemarkFunction } from './declare.ts'
import type { Telemetry } from './instrument.ts'
import { problemOf } from './problem.ts'
import { RefusedConnections } from './refused-connections.ts'

/** Milliseconds for which refusals are counted into one line of the log. */
const toldEvery = 1_000

/**
 * Refuses new work while the function is saturated, before its token is checked, its body read, its span and its log line made: what
 * refusals cost is taken from the work that was let in. Routes with a parameter or a query are not refused here: only one look-up
 * is paid for each request. It answers whether it refused.
 */
export function shedding(
  fn: TidemarkFunction,
  deps: unknown,
  telemetry: Telemetry,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  const { saturated } = fn
  if (!saturated) return () => false
  const { metrics, log } = telemetry
  const counted = (operation: string) => metrics.requests.labels({ operation, status: '503' })
  const shed = new Map(fn.operations.filter(({ shed }) => shed).map(({ route, id }) => [route as string, counted(id)]))
  const { text, headers } = refusal()
  const connections = new RefusedConnections()
  let refused = 0
  const tell = () => {
    log.warn({ refused, within: toldEvery }, 'saturated: new work is refused')
    refused = 0
  }
  return (request, response) => {
    const count = shed.get(`${request.method} ${request.url}`)
    if (!count || !saturated(deps as never)) return false
    if (refused++ === 0) setTimeout(tell, toldEvery).unref()
    count.observe(0)
    response.writeHead(503, headers)
    response.end(text, 'latin1')
    connections.add(request.socket)
    return true
  }
}

function refusal() {
  const overloaded = new Transient('overloaded')
  const text = JSON.stringify(problemOf(overloaded))
  const headers = {
    'content-type': 'application/problem+json',
    'retry-after': String(overloaded.retryAfter),
    'content-length': Buffer.byteLength(text),
  }
  return { text, headers }
}
