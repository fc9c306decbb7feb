import { type Attributes, context, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { NodeSDK } from '@opentelemetry/sdk-node'
import type { FinishedSpan, SpanSink } from './trace.ts'

const kinds = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  consumer: SpanKind.CONSUMER,
  producer: SpanKind.PRODUCER,
} as const

/**
 * Hands finished spans to the OpenTelemetry SDK, which batches and sends them by OTLP.
 * The ids are the ones that already travelled in `traceparent`, so the SDK is given them instead of making its own.
 */
export async function otlpSink(options: { endpoint: string; service: string }): Promise<SpanSink> {
  let next: FinishedSpan | undefined
  const sdk = new NodeSDK({
    serviceName: options.service,
    idGenerator: {
      generateTraceId: () => next?.context.traceId ?? '',
      generateSpanId: () => next?.context.spanId ?? '',
    },
    traceExporter: new OTLPTraceExporter({ url: `${options.endpoint.replace(/\/$/, '')}/v1/traces`, timeoutMillis: 5_000 }),
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [],
    autoDetectResources: false,
  })
  sdk.start()
  const tracer = trace.getTracer('tidemark')

  return {
    record(finished) {
      next = finished
      const parent = finished.parent && {
        traceId: finished.parent.traceId,
        spanId: finished.parent.spanId,
        traceFlags: TraceFlags.SAMPLED,
        isRemote: true,
      }
      const around = parent ? trace.setSpanContext(context.active(), parent) : context.active()
      const span = tracer.startSpan(
        finished.name,
        { kind: kinds[finished.kind], startTime: finished.start, attributes: finished.attributes as Attributes, root: !parent },
        around,
      )
      if (finished.error) span.setStatus({ code: SpanStatusCode.ERROR, message: finished.error })
      span.end(finished.end)
    },
    close: () => sdk.shutdown(),
  }
}
