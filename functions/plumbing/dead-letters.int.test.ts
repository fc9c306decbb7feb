import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { createTopics, kafka, type Started, serviceUrls, startFunction, topicPrefix } from '../../test/environment.ts'
import { deadLettersIn } from './dead-letters.ts'
import type { ListedLetter as DeadLetter } from './newest-dead-letters.ts'

/** A topic of its own: what other tests bury or replay is not to be listed here. */
const topic = `${topicPrefix()}dead-letters`
const deadLetters = deadLettersIn(topic)

let started: Started
before(async () => {
  await createTopics([topic])
  started = await startFunction(deadLetters, { KAFKA_BROKERS: serviceUrls().kafka })
})
after(() => started.stop())

/** An undeliverable event as a KafkaSource sends it here. */
const bury = (headers: Record<string, string> = {}, to = started) =>
  fetch(to.url, {
    method: 'POST',
    headers: {
      'ce-specversion': '1.0',
      'ce-id': randomUUID(),
      'ce-type': 'tidemark.payment.succeeded.v1',
      'ce-source': '/tidemark/payments',
      'ce-subject': 'order-7',
      'ce-knativekafkaoffset': '41',
      'ce-knativeerrordest': 'orders-settle',
      'ce-knativeerrorcode': '422',
      'ce-knativeerrordata': '{"code":"invalid_input"}',
      'content-type': 'application/avro',
      ...headers,
    },
    body: new Uint8Array([0, 0, 0, 0, 9, 200]),
  })

const list = async (limit: number) => {
  const { status, body } = await started.request<{ items: DeadLetter[] }>(`GET /v1/dead-letters?limit=${limit}`)
  assert.equal(status, 200)
  return body.items
}

async function kept(): Promise<number> {
  const admin = kafka().admin()
  await admin.connect()
  const ends = await admin.fetchTopicOffsets(topic)
  await admin.disconnect()
  return ends.reduce((sum, { high }) => sum + Number(high), 0)
}

test('a dead letter is acknowledged once Kafka has it', async () => {
  const before = await kept()
  assert.equal((await bury()).status, 204)
  assert.equal(await kept(), before + 1)
})

test('what was kept is the event: its attributes as headers and its bytes', async () => {
  const id = randomUUID()
  await bury({ 'ce-id': id, 'ce-traceparent': '00-a-b-01', 'x-other': 'dropped' })
  const consumer = kafka().consumer({ groupId: randomUUID(), maxWaitTimeInMs: 50 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const message = await new Promise<{ key: string; value: Buffer | null; headers: Record<string, string> }>(resolve => {
    void consumer.run({
      eachMessage: async ({ message: { key, value, headers } }) => {
        const texts = Object.fromEntries(Object.entries(headers ?? {}).map(([name, text]) => [name, String(text)]))
        if (texts.ce_id === id) resolve({ key: String(key), value, headers: texts })
      },
    })
  })
  await consumer.disconnect()
  assert.equal(message.key, '/tidemark/payments')
  assert.deepEqual(message.value, Buffer.from([0, 0, 0, 0, 9, 200]))
  assert.deepEqual(message.headers, {
    ce_specversion: '1.0',
    ce_id: id,
    ce_type: 'tidemark.payment.succeeded.v1',
    ce_source: '/tidemark/payments',
    ce_subject: 'order-7',
    ce_traceparent: '00-a-b-01',
    ce_knativekafkaoffset: '41',
    ce_knativeerrordest: 'orders-settle',
    ce_knativeerrorcode: '422',
    ce_knativeerrordata: '{"code":"invalid_input"}',
    'content-type': 'application/avro',
  })
})

test('the newest are listed first, each with where it could not be delivered and why', async () => {
  const ids = Array.from({ length: 5 }, () => randomUUID())
  for (const [index, id] of ids.entries()) {
    await bury({ 'ce-id': id, 'ce-source': `/tidemark/source-${index}`, 'ce-knativeerrorcode': `50${index}` })
    await new Promise(resolve => setTimeout(resolve, 3))
  }
  const newest = await list(4)
  assert.deepEqual(
    newest.map(({ id }) => id),
    ids.slice(1).reverse(),
  )
  const { at, offset, partition, ...letter } = newest[0] as DeadLetter
  assert.deepEqual(letter, {
    id: ids[4],
    type: 'tidemark.payment.succeeded.v1',
    source: '/tidemark/source-4',
    subject: 'order-7',
    destination: 'orders-settle',
    status: '504',
    error: '{"code":"invalid_input"}',
    replayedAt: null,
  })
  assert.ok(Math.abs(Date.now() - Date.parse(at)) < 10_000)
  assert.ok(Number(offset) >= 0 && partition >= 0)
})

test('every dead letter is listed once', async () => {
  await Promise.all(Array.from({ length: 30 }, (_, index) => bury({ 'ce-source': `/tidemark/many-${index}` })))
  const all = await list(1_000)
  assert.equal(all.length, await kept())
  assert.equal(new Set(all.map(({ partition, offset }) => `${partition}/${offset}`)).size, all.length)
})

test('who may not look into operations does not see them', async () => {
  assert.equal((await started.request('GET /v1/dead-letters', { scopes: ['orders:read'] })).status, 403)
})

test('what is no event is refused for good', async () => {
  assert.equal((await bury({ 'ce-id': '' })).status, 422)
})

test('nobody else can say that a letter was replayed', async () => {
  const before = await kept()
  assert.equal((await bury({ 'ce-type': 'tidemark.dead-letter.replayed.v1', 'ce-letteroffset': '0' })).status, 422)
  assert.equal(await kept(), before)
})

test('while Kafka is away nothing is acknowledged, so that the source tries again', async () => {
  const lonely = await startFunction(deadLetters, { KAFKA_BROKERS: '127.0.0.1:1' })
  const answer = await bury({}, lonely)
  await lonely.stop()
  assert.equal(answer.status, 503)
  assert.equal(((await answer.json()) as { code: string }).code, 'unavailable')
})
