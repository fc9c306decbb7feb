import { AsyncLocalStorage } from 'node:async_hooks'
import type { SpanSink, TraceContext } from './trace.ts'

/** What surrounds one request or one event while it is worked on. */
export interface WorkContext {
  readonly requestId: string
  readonly trace: TraceContext
  readonly spans: SpanSink
  /** Milliseconds since the epoch after which nobody waits for the answer. */
  readonly deadline: number
}

const storage = new AsyncLocalStorage<WorkContext>()

export const currentWork = (): WorkContext | undefined => storage.getStore()

export const runWork = <T>(context: WorkContext, work: () => T): T => storage.run(context, work)
