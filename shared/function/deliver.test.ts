import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { type Started, startFunction } from '../../test/environment.ts'
import { Rejected, Transient } from '../errors.ts'
import type { EventOf } from '../events/catalog.ts'
import { currentWork } from '../telemetry/context.ts'
import { event, schedule, service } from './declare.ts'

const type = 'tidemark.payment.failed.v1'
const data = { orderId: 'o-1', paymentId: 'p-1', declineCode: 'card_declined' }
const handled: (EventOf<typeof type> & { traceId?: string | undefined })[] = []
let failure: Error | undefined

const listener = event({
  name: 'listener',
  summary: 'Listens',
  topic: 'payments',
  types: [type],
  uses: [],
  async handle(_deps, received) {
    if (failure) throw failure
    handled.push({ ...received, traceId: currentWork()?.trace.traceId })
  },
})

const nowhere = 'http://127.0.0.1:1'
let running: Started
before(async () => {
  running = await startFunction(listener, { SCHEMA_REGISTRY_URL: nowhere })
})
after(() => running.stop())
afterEach(() => {
  handled.length = 0
  failure = undefined
})

const attributes = {
  'ce-specversion': '1.0',
  'ce-id': 'e-1',
  'ce-type': type,
  'ce-source': '/tidemark/payments',
  'ce-subject': 'o-1',
  'ce-time': '2026-01-02T03:04:05.678Z',
  'content-type': 'application/json',
}

async function post(headers: Record<string, string>, body: string | Uint8Array<ArrayBuffer>, url = running.url) {
  const answer = await fetch(url, { method: 'POST', headers, body })
  const text = await answer.text()
  return { status: answer.status, text, code: text ? (JSON.parse(text) as { code: string }).code : undefined }
}

test('an event in binary mode reaches the handler and is acknowledged without an answer', async () => {
  assert.deepEqual(await post(attributes, JSON.stringify(data)), { status: 204, text: '', code: undefined })
  const [received] = handled
  assert.deepEqual(received && { ...received, traceId: undefined }, {
    id: 'e-1',
    type,
    subject: 'o-1',
    time: new Date('2026-01-02T03:04:05.678Z'),
    data,
    traceId: undefined,
  })
})

test('what a KafkaSource adds does no harm', async () => {
  const added = { ...attributes, 'ce-knativekafkapartition': '3', 'ce-knativekafkaoffset': '12', 'ce-partitionkey': 'o-1' }
  assert.equal((await post(added, JSON.stringify(data))).status, 204)
})

test('an event in structured mode is the same event', async () => {
  const envelope = {
    specversion: '1.0',
    id: 'e-2',
    type,
    source: '/x',
    subject: 'o-1',
    datacontenttype: 'application/json',
    data,
  }
  const { status } = await post({ 'content-type': 'application/cloudevents+json; charset=utf-8' }, JSON.stringify(envelope))
  assert.equal(status, 204)
  assert.deepEqual(handled[0]?.data, data)
})

test('the trace travels with the event', async () => {
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  await post({ ...attributes, 'ce-traceparent': `00-${traceId}-b7ad6b7169203331-01` }, JSON.stringify(data))
  assert.equal(handled[0]?.traceId, traceId)
})

test('an event of a type that the function does not handle is acknowledged and left alone', async () => {
  for (const other of ['tidemark.payment.succeeded.v1', 'com.example.other']) {
    assert.equal((await post({ ...attributes, 'ce-type': other }, 'anything')).status, 204)
  }
  assert.equal(handled.length, 0)
})

test('what is no event, or does not fit its schema, is a permanent fault: 422, dead-lettered at once', async () => {
  const without = (name: keyof typeof attributes) =>
    Object.fromEntries(Object.entries(attributes).filter(([key]) => key !== name))
  const bad: [Record<string, string>, string | Uint8Array<ArrayBuffer>][] = [
    [without('ce-type'), JSON.stringify(data)],
    [without('ce-id'), JSON.stringify(data)],
    [without('ce-source'), JSON.stringify(data)],
    [attributes, '{"orderId":'],
    [attributes, JSON.stringify({ ...data, paymentId: 7 })],
    [{ ...attributes, 'content-type': 'application/avro' }, new Uint8Array([1, 2, 3, 4, 5, 6, 7])],
    [{ ...attributes, 'content-type': 'application/avro' }, ''],
    [{ 'content-type': 'application/cloudevents+json' }, '{}'],
    [{ 'content-type': 'application/cloudevents+json' }, 'x'],
    [{ 'content-type': 'application/cloudevents-batch+json' }, '[]'],
    [{}, ''],
  ]
  for (const [headers, body] of bad) {
    assert.deepEqual({ body, ...(await post(headers, body)), text: '' }, { body, status: 422, code: 'invalid_input', text: '' })
  }
  assert.equal(handled.length, 0)
})

test('a rejection of the handler is 422 whatever its own status, because a source would repeat 404 and 409', async () => {
  for (const code of ['not_found', 'insufficient_stock', 'rate_limited', 'invalid_input'] as const) {
    failure = new Rejected(code)
    assert.deepEqual((await post(attributes, JSON.stringify(data))).status, 422, code)
  }
})

test('a transient failure is 503, so that the source tries again', async () => {
  failure = new Transient('unavailable')
  assert.deepEqual((await post(attributes, JSON.stringify(data))).status, 503)
  failure = new TypeError('a bug of ours')
  assert.deepEqual((await post(attributes, JSON.stringify(data))).status, 500)
})

test('while the schema registry is away an Avro event is tried again later', async () => {
  const { status, code } = await post({ ...attributes, 'content-type': 'application/avro' }, new Uint8Array([0, 0, 0, 0, 1, 2]))
  assert.deepEqual([status, code], [503, 'unavailable'])
})

test('a function that runs by the clock answers each tick', async () => {
  let ticks = 0
  const clock = schedule({
    name: 'clock',
    summary: 'Ticks',
    cron: '* * * * *',
    uses: [],
    handle: async () => {
      if (++ticks === 2) throw new Transient('unavailable')
    },
  })
  const started = await startFunction(clock)
  assert.equal(await started.tick(), 204)
  assert.equal(await started.tick(), 503)
  await started.stop()
})

test('a sink is given every event as it came', async () => {
  const taken: { type: string | undefined; body: string }[] = []
  const sink = service({
    name: 'sink',
    summary: 'Takes all',
    uses: [],
    sink: () => async received => {
      taken.push({ type: received.headers['ce-type'], body: received.body.toString() })
    },
  })
  const started = await startFunction(sink)
  assert.equal((await post({ ...attributes, 'ce-type': 'com.example.any' }, 'not json', started.url)).status, 204)
  assert.deepEqual(taken, [{ type: 'com.example.any', body: 'not json' }])
  await started.stop()
})
