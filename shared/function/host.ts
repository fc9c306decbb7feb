import type { IncomingMessage, ServerResponse } from 'node:http'
import express, { type ErrorRequestHandler, type Express } from 'express'
import { Rejected } from '../errors.ts'
import type { EventCodec } from '../events/codec.ts'
import { requireScope, type TokenVerifier } from '../security/tokens.ts'
import { parseJson, readBody } from './body.ts'
import type { EventSink, EventTrigger, RawListener, Schedule, TidemarkFunction } from './declare.ts'
import { instrumented, type Telemetry } from './instrument.ts'
import { type OperationRequest, operate } from './operate.ts'
import type { Operation } from './operation.ts'
import { sendJson, sendProblem, sendText } from './problem.ts'
import { shedding } from './shed.ts'

export interface Platform extends Telemetry {
  /** Absent for a function that no token opens. */
  readonly verifier: TokenVerifier | undefined
  /** Rejects while the function should get no requests. */
  ready(): Promise<void>
}

export type Listener = (request: IncomingMessage, response: ServerResponse) => void

/** What a function answers to: its operations, its events, its clock, and its probes. */
export function host(fn: TidemarkFunction, deps: unknown, platform: Platform): Listener {
  const health = probes(platform)
  if (fn.listener) {
    const listen = fn.listener(deps as never, platform)
    return (request, response) => {
      if (!health(request, response)) void rawRequest(listen, request, response)
    }
  }
  const refused = shedding(fn, deps, platform)
  const app = router(fn, deps, platform)
  const direct = withoutParameters(fn.operations, deps, platform)
  return (request, response) => {
    if (health(request, response) || refused(request, response)) return
    const listen = direct.get(`${request.method} ${request.url}`)
    if (listen) listen(request, response)
    else app(request, response)
  }
}

/**
 * Routes without a parameter or a query need no router: it tries one pattern after another, and the way through Express is a tenth of
 * what a reservation costs this process.
 */
function withoutParameters(operations: readonly Operation[], deps: unknown, platform: Platform): Map<string, Listener> {
  const plain = operations.filter(({ route }) => !route.includes('{'))
  return new Map(
    plain.map(operation => {
      const serve = served(operation, deps, platform)
      return [operation.route, (request, response) => void serve({ request, response, params: {}, query: {} })]
    }),
  )
}

function router(fn: TidemarkFunction, deps: unknown, platform: Platform): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.set('query parser', 'simple')
  app.set('case sensitive routing', true)
  for (const operation of fn.operations) serveOperation(app, operation, deps, platform)
  if (fn.trigger) serveEvents(app, fn.name, fn.trigger, deps as { events: EventCodec }, platform)
  if (fn.sink) serveSink(app, fn.name, fn.sink(deps as never), platform)
  if (fn.schedule) serveSchedule(app, fn.name, fn.schedule, deps, platform)
  const refuse = (request: IncomingMessage, response: ServerResponse, error: unknown) =>
    instrumented(platform, { name: 'unknown', kind: 'server', deadline: 1_000 }, request, response, () => Promise.reject(error))
  app.use((request, response) => refuse(request, response, new Rejected('not_found')))
  // Express would answer in HTML, with the stack. What it finds itself is a path that cannot be decoded.
  const failed: ErrorRequestHandler = (error, request, response, _next) =>
    refuse(
      request,
      response,
      error instanceof URIError ? new Rejected('malformed_request', 'The path cannot be decoded.') : error,
    )
  app.use(failed)
  return app
}

function serveOperation(app: Express, operation: Operation, deps: unknown, platform: Platform): void {
  const [method, path] = operation.route.split(' ') as [string, string]
  const serve = served(operation, deps, platform)
  const verb = method.toLowerCase() as 'get' | 'post' | 'put' | 'patch' | 'delete'
  app[verb](path.replace(/\{(\w+)\}/g, ':$1'), (request, response) => {
    const { params, query } = request
    return serve({ request, response, params, query })
  })
}

interface Routed {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly params: OperationRequest['params']
  readonly query: OperationRequest['query']
}

/** An operation with all that surrounds it: its caller is known and allowed, its input fits. */
function served(operation: Operation, deps: unknown, platform: Platform): (routed: Routed) => Promise<void> {
  const work = { name: operation.id, kind: 'server', deadline: operation.deadline } as const
  const hasNoBody = /^(GET|DELETE) /.test(operation.route)
  return ({ request, response, params, query }) =>
    instrumented(platform, work, request, response, async notes => {
      if (operation.signed) {
        const { serveSigned } = await import('./signed.ts')
        return serveSigned({ ...operation, signed: operation.signed }, deps, { request, response, params, query })
      }
      const caller = await platform.verifier?.verify(request.headers.authorization)
      if (!caller) throw new Rejected('unauthenticated')
      notes.client = caller.client
      requireScope(caller, operation.allow)
      const { streams } = operation
      if (streams) {
        const { serveStream } = await import('./stream.ts')
        return serveStream({ ...operation, streams }, deps, { request, response, caller, notes, params, query })
      }
      const raw = await readBody(request, operation.bodyLimit)
      const json = hasNoBody ? undefined : parseJson(raw, request.headers['content-type'])
      const { headers } = request
      const reply = await operate(operation, deps, { params, query, headers, raw, json }, caller)
      for (const [name, value] of Object.entries(reply.headers)) response.setHeader(name, value)
      sendText(response, reply.status, reply.text, 'application/json')
    })
}

/** An event of more than this was not made by us: the largest, an order of 5,000 lines, has about 200 kB. */
const eventLimit = 4 * 1024 * 1024

function serveEvents(app: Express, name: string, trigger: EventTrigger, deps: { events: EventCodec }, platform: Platform): void {
  // The SDK of CloudEvents is not for functions that get none.
  const loading = import('./deliver.ts')
  app.post('/', async (request, response) => {
    const traceparent = request.headers['ce-traceparent'] as string | undefined
    const work = { name, kind: 'consumer', deadline: trigger.deadline, traceparent } as const
    await instrumented(platform, work, request, response, async notes => {
      await permanentAs422(async () => {
        const { readDelivery } = await loading
        const delivered = readDelivery(request.headers, await readBody(request, eventLimit))
        notes.event = delivered.id
        notes.type = delivered.type
        const event = await delivered.event(trigger.types, deps.events)
        if (event) await trigger.handle(deps as never, event)
        else notes.skipped = true
      })
      response.writeHead(204).end()
    })
  })
}

/**
 * A source tries 404, 408, 409 and 429 again, because to it they mean "not yet". From a handler they mean "never":
 * a permanent fault is answered 422, which is dead-lettered at once.
 */
async function permanentAs422(handling: () => Promise<void>): Promise<void> {
  try {
    await handling()
  } catch (error) {
    if (!(error instanceof Rejected) || error.code === 'invalid_input') throw error
    throw new Rejected('invalid_input', `${error.code}: ${error.message}`, error.details)
  }
}

function serveSink(app: Express, name: string, sink: EventSink, platform: Platform): void {
  const work = { name, kind: 'consumer', deadline: 25_000 } as const
  app.post('/', (request, response) =>
    instrumented(platform, work, request, response, async () => {
      await sink({ headers: request.headers as Record<string, string>, body: await readBody(request, eventLimit) })
      response.writeHead(204).end()
    }),
  )
}

function serveSchedule(app: Express, name: string, schedule: Schedule, deps: unknown, platform: Platform): void {
  const work = { name, kind: 'consumer', deadline: schedule.deadline } as const
  app.post('/', (request, response) =>
    instrumented(platform, work, request, response, async () => {
      request.resume()
      await schedule.handle(deps as never)
      response.writeHead(204).end()
    }),
  )
}

async function rawRequest(listen: RawListener, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    await listen(request, response)
  } catch (error) {
    sendProblem(response, error)
  }
}

/** Answers the probes; they are frequent, so neither logged nor measured. */
function probes(platform: Platform): (request: IncomingMessage, response: ServerResponse) => boolean {
  return (request, response) => {
    if (request.method !== 'GET' || !request.url?.startsWith('/health/')) return false
    if (request.url === '/health/liveness') sendJson(response, 200, { status: 'alive' })
    else if (request.url === '/health/readiness') {
      platform.ready().then(
        () => sendJson(response, 200, { status: 'ready' }),
        error => sendProblem(response, error),
      )
    } else sendProblem(response, new Rejected('not_found'))
    return true
  }
}
