import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import { z } from 'zod'
import { Rejected, Transient } from '../errors.ts'
import { runWork } from '../telemetry/context.ts'
import { Metrics } from '../telemetry/metrics.ts'
import { spanSink } from '../telemetry/trace.ts'
import { type FunctionClient, functionClient } from './call.ts'
import { closeIdleConnections } from './exchange.ts'

/** A function that answers what it is told to, the last one for ever. */
let answers: { status: number; body: object; retryAfter?: string }[]
let asked: number[]
let server: Server
before(async () => {
  server = createServer((request, response) => {
    request.resume()
    asked.push(Date.now())
    const { status, body, retryAfter } = (answers.length > 1 ? answers.shift() : answers[0]) as (typeof answers)[number]
    response.writeHead(status, { 'content-type': 'application/json', ...(retryAfter && { 'retry-after': retryAfter }) })
    response.end(JSON.stringify(body))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
})
after(() => {
  closeIdleConnections()
  server.close()
})

let client: FunctionClient
beforeEach(async () => {
  asked = []
  const { port } = server.address() as AddressInfo
  const token = { get: async () => 'token' }
  const metrics = new Metrics('test')
  client = await functionClient({ name: 'stock', url: `http://127.0.0.1:${port}`, token, metrics })
})

const ok = { status: 200, body: { done: true } }
const overloaded = { status: 503, body: { code: 'overloaded' }, retryAfter: '1' }
const call = {
  method: 'POST',
  path: '/v1/things',
  body: {},
  idempotencyKey: 'key',
  output: z.object({ done: z.boolean() }),
} as const

/** Within a request whose caller waits so many milliseconds. */
const within = <T>(milliseconds: number, work: () => Promise<T>): Promise<T> => {
  const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: false }
  const spans = spanSink({ endpoint: undefined, service: 'test', failed: () => {} })
  return runWork({ requestId: 'request', trace, spans, deadline: Date.now() + milliseconds }, work)
}

test('an instance that ends is passed over at once: the next one answers', async () => {
  answers = [{ status: 503, body: { code: 'unavailable' }, retryAfter: '1' }, ok]
  assert.deepEqual(await within(10_000, () => client.request(call)), { done: true })
  assert.ok((asked[1] as number) - (asked[0] as number) < 900)
})

test('who has too much to do is left alone for as long as it says', async () => {
  answers = [overloaded, ok]
  assert.deepEqual(await within(10_000, () => client.request(call)), { done: true })
  assert.ok((asked[1] as number) - (asked[0] as number) >= 990)
})

test('nobody waits for the overloaded longer than its own caller does: it is told at once', async () => {
  answers = [overloaded]
  const began = Date.now()
  await assert.rejects(
    within(900, () => client.request(call)),
    (error: Transient) => error instanceof Transient && error.code === 'overloaded' && error.retryAfter === 1,
  )
  assert.ok(Date.now() - began < 800)
  assert.equal(asked.length, 1)
})

test('what was refused is not tried again, and carries its code', async () => {
  answers = [{ status: 409, body: { code: 'insufficient_stock', detail: 'Two are short.', shortages: [] } }]
  await assert.rejects(
    within(10_000, () => client.request(call)),
    (error: Rejected) => error instanceof Rejected && error.code === 'insufficient_stock',
  )
  assert.equal(asked.length, 1)
})

test('a write without a key is tried once', async () => {
  answers = [{ status: 500, body: {} }]
  const { idempotencyKey: _, ...once } = call
  await assert.rejects(
    within(10_000, () => client.request(once)),
    Transient,
  )
  assert.equal(asked.length, 1)
})
