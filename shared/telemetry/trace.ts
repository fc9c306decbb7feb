import { randomFillSync } from 'node:crypto'

/** A position in a trace as W3C Trace Context writes it (https://www.w3.org/TR/trace-context/). */
export interface TraceContext {
  readonly traceId: string
  readonly spanId: string
  readonly sampled: boolean
}

const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** A later version may append what this one does not know; `ff` is no version. */
export function parseTraceparent(text: string | undefined): TraceContext | undefined {
  const match = text === undefined ? null : pattern.exec(text)
  if (!match) return undefined
  const [, version, traceId, spanId, flags, rest] = match as unknown as [string, string, string, string, string, string?]
  if (version === 'ff' || (version === '00' && rest !== undefined)) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export const formatTraceparent = (context: TraceContext): string =>
  `00-${context.traceId}-${context.spanId}-${context.sampled ? '01' : '00'}`

const pool = Buffer.alloc(8_192)
let used = pool.length

/** Random bytes from a pool: one call into the system for a thousand spans. */
export function pooledBytes(count: number): Buffer {
  if (used + count > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += count
  return pool.subarray(used - count, used)
}

/** The next position below `parent`, or the first one of a new trace. */
export function childOf(parent: TraceContext | undefined, random: (bytes: number) => Buffer = pooledBytes): TraceContext {
  if (parent) return { traceId: parent.traceId, spanId: random(8).toString('hex'), sampled: parent.sampled }
  const bytes = random(24)
  return { traceId: bytes.toString('hex', 0, 16), spanId: bytes.toString('hex', 16, 24), sampled: true }
}

export type SpanKind = 'server' | 'client' | 'consumer' | 'producer'

/** A piece of work that is over. */
export interface FinishedSpan {
  readonly name: string
  readonly kind: SpanKind
  readonly context: TraceContext
  readonly parent: TraceContext | undefined
  /** Milliseconds since the epoch. */
  readonly start: number
  readonly end: number
  readonly attributes: Readonly<Record<string, string | number | boolean>>
  readonly error: string | undefined
}

export interface SpanSink {
  record(span: FinishedSpan): void
  close(): Promise<void>
}

/** Spans until the exporter is there. 468 ms of CPU to import it must not stand before the first answer. */
const waitingLimit = 2_048

/**
 * Where finished spans go. Ids travel in `traceparent` whether or not anybody collects the spans;
 * with an OTLP endpoint the OpenTelemetry SDK is loaded behind the first answer and takes what has been kept until then.
 */
export function spanSink(options: { endpoint: string | undefined; service: string; failed: (error: unknown) => void }): SpanSink {
  if (!options.endpoint) return { record: () => {}, close: async () => {} }
  const waiting: FinishedSpan[] = []
  let exporter: SpanSink | undefined
  const loading = import('./otlp.ts').then(async ({ otlpSink }) => {
    exporter = await otlpSink({ endpoint: options.endpoint as string, service: options.service })
    for (const span of waiting.splice(0)) exporter.record(span)
  })
  loading.catch(options.failed)
  return {
    record(span) {
      if (!span.context.sampled) return
      if (exporter) exporter.record(span)
      else if (waiting.length < waitingLimit) waiting.push(span)
    },
    async close() {
      await loading
      await exporter?.close()
    },
  }
}
