import CircuitBreaker from 'opossum'
import type { z } from 'zod'
import { isRejectedCode, Rejected, Transient } from '../errors.ts'
import type { ServiceToken } from '../security/service-token.ts'
import { currentWork } from '../telemetry/context.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { childOf, formatTraceparent } from '../telemetry/trace.ts'
import { type Answer, exchange } from './exchange.ts'

export interface FunctionCall<O extends z.ZodType> {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  path: string
  body?: unknown
  /** Needed on every write: a call that got no answer is tried again. */
  idempotencyKey?: string
  /** What the caller needs of the answer. More may be there. */
  output: O
}

/** Another function, over HTTP. Rejected carries the other function's code; Transient means that the same call may succeed later. */
export interface FunctionClient {
  request<O extends z.ZodType>(call: FunctionCall<O>): Promise<z.output<O>>
}

/** Tries of one call that gets no usable answer, and the milliseconds one try may take. */
const tries = 3
const tryMilliseconds = 4_000
/** When nobody set a deadline. */
const standardDeadline = 10_000

/**
 * The breaker opens when half of at least 20 tries within 10 s failed, fails at once for 3 s, then lets one try through.
 */
export async function functionClient(options: {
  name: string
  url: string
  token: ServiceToken
  metrics: Metrics
}): Promise<FunctionClient> {
  const breaker = new CircuitBreaker((attempt: () => Promise<Answer>) => attempt(), {
    name: options.name,
    timeout: false,
    errorThresholdPercentage: 50,
    volumeThreshold: 20,
    rollingCountTimeout: 10_000,
    resetTimeout: 3_000,
  })
  breaker.on('open', () => options.metrics.breakerOpen.set({ to: options.name }, 1))
  breaker.on('close', () => options.metrics.breakerOpen.set({ to: options.name }, 0))

  async function attempt(call: FunctionCall<z.ZodType>, deadline: number): Promise<Answer> {
    const work = currentWork()
    const trace = childOf(work?.trace)
    const timeout = Math.min(tryMilliseconds, deadline - Date.now())
    if (timeout <= 0) throw new Transient('deadline_exceeded')
    const headers: Record<string, string> = {
      authorization: `Bearer ${await options.token.get()}`,
      traceparent: formatTraceparent(trace),
      'tidemark-timeout': String(timeout),
    }
    if (work) headers['x-request-id'] = work.requestId
    if (call.body !== undefined) headers['content-type'] = 'application/json'
    if (call.idempotencyKey) headers['idempotency-key'] = call.idempotencyKey
    const start = Date.now()
    let error: string | undefined
    try {
      const answer = await exchange({
        url: options.url + call.path,
        method: call.method,
        headers,
        ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
        timeout,
      })
      if (answer.status >= 500 || answer.status === 429) {
        error = `${options.name} answered ${answer.status}`
        const code = isOverloaded(answer) ? 'overloaded' : 'unavailable'
        throw new Transient(code, `${error}.`, { retryAfter: Number(answer.headers['retry-after']) || 1 })
      }
      return answer
    } catch (failure) {
      error ??= (failure as Error).message
      throw failure
    } finally {
      const name = `${call.method} ${options.name}`
      work?.spans.record({
        name,
        kind: 'client',
        context: trace,
        parent: work.trace,
        start,
        end: Date.now(),
        attributes: {},
        error,
      })
    }
  }

  return {
    async request(call) {
      const deadline = currentWork()?.deadline ?? Date.now() + standardDeadline
      const mayRepeat = call.method === 'GET' || call.idempotencyKey !== undefined
      for (let number = 1; ; number++) {
        try {
          return read(await breaker.fire(() => attempt(call, deadline)), call, options.name)
        } catch (error) {
          const failure = transient(error, options.name)
          const wait = waitBefore(number, failure)
          const isLast = number === tries || !mayRepeat || breaker.opened || Date.now() + wait >= deadline
          if (!(failure instanceof Transient) || isLast) throw failure
          await new Promise(resolve => setTimeout(resolve, wait))
        }
      }
    },
  }
}

/** Milliseconds. Another instance takes what one that ends has refused; who has too much to do means the time that it says. */
function waitBefore(number: number, failure: unknown): number {
  const isOverloaded = failure instanceof Transient && failure.code === 'overloaded'
  return isOverloaded ? failure.retryAfter * 1_000 * (1 + Math.random()) : 50 * 2 ** number * (0.5 + Math.random())
}

const isOverloaded = ({ status, body }: Answer): boolean => status === 503 && body.includes('"code":"overloaded"')

/** opossum's own refusal, as what it means to the caller. */
function transient(error: unknown, name: string): unknown {
  if ((error as { code?: string }).code === 'EOPENBREAKER') {
    return new Transient('unavailable', `${name} has been failing and is left alone for a moment.`, { retryAfter: 3 })
  }
  return error
}

function read<O extends z.ZodType>(answer: Answer, call: FunctionCall<O>, name: string): z.output<O> {
  const body = parsed(answer, name)
  if (answer.status < 400) {
    const output = call.output.safeParse(body)
    if (output.success) return output.data
    throw new Transient('upstream_failed', `${name} answered in a shape that was not expected.`, { cause: output.error })
  }
  const {
    code,
    detail,
    type: _type,
    title: _title,
    status: _status,
    instance: _instance,
    ...details
  } = (body ?? {}) as Record<string, unknown>
  if (isRejectedCode(code)) throw new Rejected(code, typeof detail === 'string' ? detail : undefined, details)
  throw new Transient('upstream_failed', `${name} answered ${answer.status} without a code.`)
}

function parsed(answer: Answer, name: string): unknown {
  if (answer.body.length === 0) return undefined
  try {
    return JSON.parse(answer.body.toString())
  } catch (cause) {
    throw new Transient('upstream_failed', `${name} did not answer in JSON.`, { cause })
  }
}
