import assert from 'node:assert/strict'
import { request as rawRequest } from 'node:http'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import { type Started, startFunction } from '../../test/environment.ts'
import { issueToken } from '../../test/token-issuer.ts'
import { Rejected, Transient } from '../errors.ts'
import { currentWork } from '../telemetry/context.ts'
import { formatTraceparent } from '../telemetry/trace.ts'
import { service } from './declare.ts'
import { operation, Reply } from './operation.ts'
import { problemOf } from './problem.ts'

const define = operation<unknown>()
const allow = ['stock:write'] as const
const failures: Record<string, () => unknown> = {
  rejected: () => new Rejected('insufficient_stock', 'Two are short.', { shortages: [{ sku: 'A' }] }),
  transient: () => new Transient('unavailable', 'postgres://secret@host is away', { retryAfter: 7 }),
  bug: () => new TypeError('secret of the house'),
  nothing: () => undefined,
}

const door = service({
  name: 'door',
  summary: 'A door to knock at',
  uses: [],
  operations: [
    define({
      id: 'echo',
      route: 'POST /v1/things/{id}',
      summary: 'Echo',
      allow,
      status: 201,
      bodyLimit: 1_000,
      input: z.strictObject({ id: z.string(), text: z.string().optional() }),
      output: z.unknown(),
      handle: async (_deps, input, call) => ({ input, client: call.client, subject: call.subject }),
    }),
    define({
      id: 'list',
      route: 'GET /v1/things',
      summary: 'List',
      allow,
      input: z.strictObject({ limit: z.coerce.number().default(3) }),
      output: z.unknown(),
      handle: async (_deps, { limit }) => Reply.of(200, { limit }, { etag: '"1"' }),
    }),
    define({
      id: 'fail',
      route: 'POST /v1/failures/{kind}',
      summary: 'Fail',
      allow,
      input: z.strictObject({ kind: z.string() }),
      output: z.unknown(),
      handle: async (_deps, { kind }) => Promise.reject(failures[kind]?.()),
    }),
    define({
      id: 'sleep',
      route: 'POST /v1/sleeps',
      summary: 'Sleep',
      allow,
      deadline: 400,
      input: z.strictObject({ ms: z.number() }),
      output: z.unknown(),
      handle: async (_deps, { ms }) => {
        await new Promise(resolve => setTimeout(resolve, ms))
        return { slept: ms }
      },
    }),
    define({
      id: 'surroundings',
      route: 'GET /v1/surroundings',
      summary: 'Surroundings',
      allow,
      input: z.strictObject({}),
      output: z.unknown(),
      handle: async () => {
        const work = currentWork()
        return {
          requestId: work?.requestId,
          traceparent: work && formatTraceparent(work.trace),
          left: (work?.deadline ?? 0) - Date.now(),
        }
      },
    }),
  ],
})

let running: Started
before(async () => {
  running = await startFunction(door)
})
after(() => running.stop())

interface Problem {
  type: string
  title: string
  status: number
  code: string
  detail?: string
  instance?: string
  errors?: { field: string }[]
  shortages?: unknown
}

const ask = (route: string, options: Parameters<Started['request']>[1] = {}) => running.request<Problem>(route, options)

test('a good request is answered with the status of its operation', async () => {
  const { status, body, headers } = await ask('POST /v1/things/7', { body: { text: 'hello' }, client: 'shop', subject: 'anna' })
  assert.equal(status, 201)
  assert.deepEqual(body, { input: { id: '7', text: 'hello' }, client: 'shop', subject: 'anna' })
  assert.equal(headers.get('content-type'), 'application/json')
  assert.equal(headers.get('x-powered-by'), null)
})

test('a query is input too, and headers of the answer arrive', async () => {
  const { body, headers } = await running.request('GET /v1/things?limit=5')
  assert.deepEqual(body, { limit: 5 })
  assert.equal(headers.get('etag'), '"1"')
  assert.equal((await ask('GET /v1/things?other=1')).status, 422)
})

test('a problem has the shape of RFC 9457 and a code that clients can branch on', async () => {
  const { status, body, headers } = await ask('POST /v1/failures/rejected')
  assert.equal(status, 409)
  assert.equal(headers.get('content-type'), 'application/problem+json')
  const { instance, ...rest } = body
  assert.deepEqual(rest, {
    type: 'urn:tidemark:problem:insufficient_stock',
    title: 'There is not enough stock for all lines.',
    status: 409,
    code: 'insufficient_stock',
    detail: 'Two are short.',
    shortages: [{ sku: 'A' }],
  })
  assert.equal(instance, `urn:uuid:${headers.get('x-request-id')}`)
})

test('the text of a failure on our side never leaves', async () => {
  for (const [kind, status, code] of [
    ['transient', 503, 'unavailable'],
    ['bug', 500, 'internal'],
    ['nothing', 500, 'internal'],
  ] as const) {
    const { status: answered, body, headers } = await ask(`POST /v1/failures/${kind}`)
    assert.deepEqual([answered, body.code], [status, code])
    assert.doesNotMatch(JSON.stringify(body), /secret|stack|postgres/)
    if (kind === 'transient') assert.equal(headers.get('retry-after'), '7')
  }
})

test('details cannot replace the standard members of a problem', () => {
  const problem = problemOf(new Rejected('not_found', 'gone', { status: 200, code: 'fine', type: 'x', title: 'x' }))
  assert.deepEqual([problem.status, problem.code, problem.title], [404, 'not_found', 'There is nothing here.'])
})

test('what is not there is 404 with a problem, also for a method that the path does not know', async () => {
  for (const route of ['GET /v1/nothing', 'DELETE /v1/things', 'POST /V1/things/1', 'GET /']) {
    const { status, body } = await ask(route)
    assert.deepEqual([status, body.code], [404, 'not_found'], route)
  }
})

test('a path that is not even a path is a problem like any other', async () => {
  const { status, body } = await ask('POST /v1/things/%E0%A4%A', { body: {} })
  assert.deepEqual([status, body.code], [400, 'malformed_request'])
})

test('a body over the limit is 413, whether or not it says its length', async () => {
  const large = { text: 'x'.repeat(5_000_000) }
  const { status, body } = await ask('POST /v1/things/1', { body: large })
  assert.deepEqual([status, body.code], [413, 'body_too_large'])
  const streamed = await fetch(`${running.url}/v1/things/1`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await issueToken()}`, 'content-type': 'application/json' },
    body: new Blob([JSON.stringify(large)]).stream(),
    duplex: 'half',
  } as RequestInit)
  assert.equal(streamed.status, 413)
  assert.equal(((await streamed.json()) as Problem).code, 'body_too_large')
})

test('a body of another type is 415, one that is not JSON 400, one of another shape 422 with the field', async () => {
  const post = (headers: Record<string, string>, text: string) =>
    issueToken().then(token =>
      fetch(`${running.url}/v1/things/1`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, ...headers },
        body: text,
      }),
    )
  assert.equal((await post({ 'content-type': 'text/plain' }, '{}')).status, 415)
  assert.equal((await post({ 'content-type': 'application/jsonish' }, '{}')).status, 415)
  assert.equal((await post({ 'content-type': 'application/json' }, '{"text":')).status, 400)
  assert.equal((await post({ 'content-type': 'application/merge-patch+json; charset=utf-8' }, '{}')).status, 201)
  const wrong = await ask('POST /v1/things/1', { body: { text: 3 } })
  assert.deepEqual([wrong.status, wrong.body.errors?.[0]?.field], [422, 'text'])
})

test('a key that tries to reach into the prototype is just an unknown field', async () => {
  const post = await fetch(`${running.url}/v1/things/1`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await issueToken()}`, 'content-type': 'application/json' },
    body: '{"__proto__":{"text":"x"}}',
  })
  await post.arrayBuffer()
  assert.ok([201, 422].includes(post.status))
  assert.equal(({} as { text?: string }).text, undefined)
})

test('without a token it is 401 and says how to do it, with one that does not allow it 403', async () => {
  const anonymous = await fetch(`${running.url}/v1/things`)
  await anonymous.arrayBuffer()
  assert.equal(anonymous.status, 401)
  assert.equal(anonymous.headers.get('www-authenticate'), 'Bearer')
  const { status, body } = await ask('GET /v1/things', { scopes: ['stock:read'] })
  assert.deepEqual([status, body.code], [403, 'forbidden'])
})

test('work that outlives its deadline is answered 504, and what it answers later is dropped', async () => {
  const { status, body } = await ask('POST /v1/sleeps', { body: { ms: 600 } })
  assert.deepEqual([status, body.code], [504, 'deadline_exceeded'])
  await new Promise(resolve => setTimeout(resolve, 300))
  assert.equal((await ask('POST /v1/sleeps', { body: { ms: 1 } })).status, 200)
})

test('a caller may have less time than the operation, never more', async () => {
  const short = await ask('POST /v1/sleeps', { body: { ms: 300 }, headers: { 'tidemark-timeout': '50' } })
  assert.equal(short.status, 504)
  const long = await ask('POST /v1/sleeps', { body: { ms: 600 }, headers: { 'tidemark-timeout': '60000' } })
  assert.equal(long.status, 504)
})

test('a request keeps the id it came with, and gets one where it has none or nonsense', async () => {
  const id = '018f2f1e-7c3a-7b1e-8a55-0b8f6f1f0a01'
  const given = await running.request('GET /v1/surroundings', { headers: { 'x-request-id': id } })
  assert.equal(given.headers.get('x-request-id'), id)
  assert.equal(given.body.requestId, id)
  const made = await running.request('GET /v1/surroundings', { headers: { 'x-request-id': 'a\tb' } })
  assert.match(made.headers.get('x-request-id') ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-7/)
})

test('the trace of the caller goes on', async () => {
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const { body } = await running.request('GET /v1/surroundings', {
    headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` },
  })
  assert.match(String(body.traceparent), new RegExp(`^00-${traceId}-(?!b7ad6b7169203331)[0-9a-f]{16}-01$`))
})

test('the probes answer without a token, and health is not the way to anything else', async () => {
  for (const probe of ['liveness', 'readiness']) {
    const answer = await fetch(`${running.url}/health/${probe}`)
    await answer.arrayBuffer()
    assert.equal(answer.status, 200)
  }
  const other = await fetch(`${running.url}/health/other`)
  await other.arrayBuffer()
  assert.equal(other.status, 404)
})

test('metrics have a port of their own and count what was answered', async () => {
  await ask('GET /v1/things')
  const inside = await ask('GET /metrics')
  assert.equal(inside.status, 404)
  const text = await (await fetch(running.metricsUrl)).text()
  for (const line of [
    /tidemark_request_duration_seconds_count\{function="door",operation="list",status="200"\} [1-9]/,
    /tidemark_requests_in_flight\{function="door"\} 0/,
    /process_cpu_seconds_total/,
  ]) {
    assert.ok(line.test(text), String(line))
  }
})

test('a client that leaves in the middle of its body harms nobody', async () => {
  const token = await issueToken()
  await new Promise<void>(resolve => {
    const leaving = rawRequest(`${running.url}/v1/things/1`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'content-length': 500 },
    })
    leaving.on('error', () => resolve())
    leaving.write('{"text":')
    setTimeout(() => leaving.destroy(new Error('gone')), 50)
  })
  assert.equal((await ask('GET /v1/things')).status, 200)
  const text = await (await fetch(running.metricsUrl)).text()
  assert.ok(/tidemark_requests_in_flight\{function="door"\} 0/.test(text))
  assert.equal(/operation="echo",status="500"/.test(text), false)
})
