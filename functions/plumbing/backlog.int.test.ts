import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import postgres from 'postgres'
import { consumerGroupOf, type Topic, topics } from '../../shared/events/catalog.ts'
import { databases } from '../../shared/function/resources.ts'
import {
  type ClonedDatabase,
  cloneDatabase,
  createTopics,
  kafka,
  type Started,
  serviceUrls,
  startFunction,
} from '../../test/environment.ts'
import { eventsBacklog } from './backlog.ts'
import { markerOf } from './dead-letter-records.ts'

interface Backlog {
  outbox: { database: string; pending: number; setAside: number }[]
  consumers: { source: string; topic: string; lag: number }[]
  deadLetters: number
  drained: boolean
}

let cloned: ClonedDatabase[]
let urls: Record<string, string>
let started: Started
const orders = (): string => urls.ORDERS_DATABASE_URL as string

before(async () => {
  cloned = await Promise.all(databases.map(cloneDatabase))
  urls = Object.fromEntries(databases.map((name, index) => [`${name.toUpperCase()}_DATABASE_URL`, cloned[index]?.url as string]))
  await createTopics(topics)
  started = await startFunction(eventsBacklog, { ...urls, KAFKA_BROKERS: serviceUrls().kafka })
})
after(async () => {
  await started.stop()
  await Promise.all(cloned.map(database => database.drop()))
})

async function backlog(): Promise<Backlog> {
  const { status, body } = await started.request<Backlog>('GET /v1/events/backlog')
  assert.equal(status, 200)
  return body
}
const lagOf = ({ consumers }: Backlog, source: string) => consumers.find(consumer => consumer.source === source)?.lag

async function send(topic: Topic, count: number): Promise<void> {
  const producer = kafka().producer()
  await producer.connect()
  await producer.send({ topic, messages: Array.from({ length: count }, (_, index) => ({ key: String(index), value: 'x' })) })
  await producer.disconnect()
}

/** Says that a function has handled all that is there, but for `but` events of partition 0. */
async function handled(source: string, topic: Topic, but = 0): Promise<void> {
  const admin = kafka().admin()
  await admin.connect()
  const ends = await admin.fetchTopicOffsets(topic)
  await admin.disconnect()
  const consumer = kafka().consumer({ groupId: consumerGroupOf(source), maxWaitTimeInMs: 50 })
  const { promise: joined, resolve } = Promise.withResolvers<void>()
  consumer.on(consumer.events.GROUP_JOIN, () => resolve())
  await consumer.connect()
  await consumer.subscribe({ topic })
  await consumer.run({ autoCommit: false, eachMessage: async () => {} })
  await joined
  await consumer.commitOffsets(
    ends.map(({ partition, high }) => ({ topic, partition, offset: String(Number(high) - (partition === 0 ? but : 0)) })),
  )
  await consumer.disconnect()
}

test('where nothing waits all is drained', async () => {
  const found = await backlog()
  assert.deepEqual(
    found.outbox,
    databases.map(database => ({ database, pending: 0, setAside: 0 })),
  )
  assert.ok(found.consumers.length >= 5)
  assert.deepEqual(
    found.consumers.filter(({ lag }) => lag !== 0),
    [],
  )
  assert.equal(found.drained, true)
})

test('before a function that never handled an event all of them wait', async () => {
  await send('payments', 12)
  const found = await backlog()
  assert.equal(lagOf(found, 'orders-settle'), 12)
  assert.equal(found.drained, false)
})

test('what a function has handled waits no longer', async () => {
  await handled('orders-settle', 'payments', 2)
  assert.equal(lagOf(await backlog(), 'orders-settle'), 2)
  await handled('orders-settle', 'payments')
  const found = await backlog()
  assert.equal(lagOf(found, 'orders-settle'), 0)
  assert.equal(found.drained, true)
})

test('functions that read the same topic wait each for itself', async () => {
  await send('orders', 6)
  await handled('payments-charge', 'orders')
  const found = await backlog()
  const behind = found.consumers.filter(({ topic, source }) => topic === 'orders' && source !== 'payments-charge')
  assert.ok(behind.length > 0)
  for (const { lag } of behind) assert.equal(lag, 6)
  assert.equal(lagOf(found, 'payments-charge'), 0)
  for (const { source } of behind) await handled(source, 'orders')
})

test('an event that is not sent yet waits in its outbox; one that cannot be encoded waits for a person and holds nobody up', async () => {
  const sql = postgres(orders(), { max: 1 })
  const event = sql`gen_random_uuid(), 'tidemark.order.placed.v1', 'k', '{}', ''`
  await sql`insert into outbox (event_id, type, key, data, traceparent) values (${event})`
  await sql`insert into outbox (event_id, type, key, data) values (gen_random_uuid(), 'tidemark.order.placed.v1', '', '[{}, {}]')`
  await sql`insert into outbox_set_aside (event_id, type, key, data, traceparent, created_at, error) values (${event}, now(), 'no such type')`
  const found = await backlog()
  assert.deepEqual(found.outbox[1], { database: 'orders', pending: 3, setAside: 1 })
  assert.equal(found.drained, false)
  await sql`delete from outbox`
  await sql.end()
  assert.equal((await backlog()).drained, true)
})

test('dead letters are counted until they were replayed', async () => {
  const before = (await backlog()).deadLetters
  await send('dead-letters', 3)
  assert.equal((await backlog()).deadLetters, before + 3)
  const producer = kafka().producer()
  await producer.connect()
  const [written] = await producer.send({ topic: 'dead-letters', messages: [{ partition: 1, value: 'x' }] })
  assert.equal((await backlog()).deadLetters, before + 4)
  const place = { partition: 1, offset: written?.baseOffset as string }
  const messages = [{ partition: 1, value: null, headers: markerOf(place, randomUUID(), new Date()) }]
  await producer.send({ topic: 'dead-letters', messages })
  await producer.disconnect()
  assert.equal((await backlog()).deadLetters, before + 3)
})

test('who may not look into operations does not see it', async () => {
  assert.equal((await started.request('GET /v1/events/backlog', { scopes: ['orders:read'] })).status, 403)
})
