import type { IncomingMessage, ServerResponse } from 'node:http'
import { validate } from 'uuid'
import { Transient } from '../errors.ts'
import { newId } from '../ids.ts'
import { runWork, type WorkContext } from '../telemetry/context.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { childOf, parseTraceparent, type SpanKind, type SpanSink } from '../telemetry/trace.ts'
import { sendProblem } from './problem.ts'

export interface Telemetry {
  readonly log: Log
  readonly metrics: Metrics
  readonly spans: SpanSink
}

export interface Work {
  readonly name: string
  readonly kind: SpanKind
  /** Milliseconds. The caller's own, shorter deadline counts where it sent one. */
  readonly deadline: number
  /** Where the trace came from, when not from the `traceparent` header. */
  readonly traceparent?: string | undefined
}

/** What the log line says beside the standard fields. */
export type Notes = Record<string, unknown>

/**
 * Does one piece of work for a request: with a request id, a place in the trace, a deadline, a metric, a span and one log line.
 * Whatever is thrown is answered as a problem.
 */
export async function instrumented(
  telemetry: Telemetry,
  work: Work,
  request: IncomingMessage,
  response: ServerResponse,
  task: (notes: Notes, context: WorkContext) => Promise<void>,
): Promise<void> {
  const start = Date.now()
  const began = performance.now()
  const asked = Number(request.headers['tidemark-timeout'])
  const parent = parseTraceparent(work.traceparent ?? (request.headers.traceparent as string | undefined))
  const given = request.headers['x-request-id']
  const context: WorkContext = {
    requestId: typeof given === 'string' && validate(given) ? given : newId(),
    trace: childOf(parent),
    spans: telemetry.spans,
    deadline: start + (asked > 0 ? Math.min(asked, work.deadline) : work.deadline),
  }
  const notes: Notes = {}
  let failure: unknown
  response.setHeader('x-request-id', context.requestId)
  telemetry.metrics.inFlight.inc()
  try {
    await runWork(context, () => beforeDeadline(task(notes, context), context.deadline))
  } catch (error) {
    failure = error
    runWork(context, () => sendProblem(response, error, context.requestId))
  }
  telemetry.metrics.inFlight.dec()
  const seconds = (performance.now() - began) / 1_000
  const status = response.statusCode
  telemetry.metrics.requests.observe({ operation: work.name, status: String(status) }, seconds)
  const cause = failure instanceof Error && status >= 500 ? causes(failure) : undefined
  telemetry.spans.record({
    name: work.name,
    kind: work.kind,
    context: context.trace,
    parent,
    start,
    end: Date.now(),
    attributes: { 'http.response.status_code': status, 'http.request.method': request.method ?? '' },
    error: status >= 500 ? (cause?.[0] ?? String(status)) : undefined,
  })
  runWork(context, () =>
    telemetry.log[status >= 500 ? 'error' : 'info'](
      { operation: work.name, status, ms: Math.round(seconds * 1e5) / 100, ...notes, ...(cause && { cause }) },
      'answered',
    ),
  )
}

/** The messages from the failure down to its root, without values: those stay where they are. */
function causes(error: Error): string[] {
  const chain: string[] = []
  for (let next: unknown = error; next instanceof Error && chain.length < 6; next = next.cause) {
    chain.push(`${next.name}: ${next.message}`)
  }
  if (chain.length > 0 && error.name !== 'Transient' && error.stack)
    chain.push(error.stack.split('\n').slice(1, 6).join(' ').trim())
  return chain
}

async function beforeDeadline(task: Promise<void>, deadline: number): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Transient('deadline_exceeded')), Math.max(deadline - Date.now(), 1))
  try {
    await Promise.race([task, promise])
  } finally {
    clearTimeout(timer)
  }
}
