import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import postgres from 'postgres'
import { openDatabase } from '../../shared/data/postgres.ts'
import { topics } from '../../shared/events/catalog.ts'
import { eventCodec } from '../../shared/events/codec.ts'
import { relay } from '../../shared/events/relay.ts'
import { databases } from '../../shared/function/resources.ts'
import {
  type ClonedDatabase,
  cloneDatabase,
  createTopics,
  kafka,
  type Started,
  serviceUrls,
  startFunction,
  topicPrefix,
  until,
} from '../../test/environment.ts'
import { eventsBacklog } from './backlog.ts'

interface SetAside {
  database: string
  id: string
  type: string
  key: string
  reason: string
  at: string
}

let cloned: ClonedDatabase[]
let started: Started
const sqlOf = new Map<string, postgres.Sql>()

before(async () => {
  cloned = await Promise.all(databases.map(cloneDatabase))
  const urls = Object.fromEntries(
    databases.map((name, index) => [`${name.toUpperCase()}_DATABASE_URL`, cloned[index]?.url as string]),
  )
  for (const [index, name] of databases.entries()) sqlOf.set(name, postgres(cloned[index]?.url as string, { max: 1 }))
  await createTopics(topics)
  started = await startFunction(eventsBacklog, { ...urls, KAFKA_BROKERS: serviceUrls().kafka })
})
after(async () => {
  await started.stop()
  await Promise.all([...sqlOf.values()].map(sql => sql.end()))
  await Promise.all(cloned.map(database => database.drop()))
})

const cancelled = { orderId: randomUUID(), reservationId: null, reason: 'customer' }

/** @param seconds ago */
async function setAside(database: string, seconds: number, type = 'tidemark.no.such.v1', data: unknown = {}): Promise<string> {
  const id = randomUUID()
  const sql = sqlOf.get(database) as postgres.Sql
  await sql`
    insert into outbox_set_aside (event_id, type, key, data, traceparent, created_at, error, set_aside_at)
    values (${id}, ${type}, 'k', ${JSON.stringify(data)}, '', now() - make_interval(secs => ${seconds}), 'no such type',
      now() - make_interval(secs => ${seconds}))`
  return id
}

async function list(query = '') {
  const answer = await started.request<{ items: SetAside[]; next: string | null }>(`GET /v1/outbox/set-aside${query}`)
  assert.equal(answer.status, 200)
  return answer.body
}
const retry = (body: unknown, key?: string) =>
  started.request<{ moved: string[]; left: number }>('POST /v1/outbox/set-aside/retry', { body, ...(key && { key }) })
const idsIn = (database: string, table: string) => {
  const sql = sqlOf.get(database) as postgres.Sql
  return sql<{ id: string }[]>`select event_id as id from ${sql(table)} order by 1`.then(rows => rows.map(({ id }) => id))
}

test('what was set aside in any database is listed newest first, a page at a time', async () => {
  const ids = [
    await setAside('orders', 50),
    await setAside('inventory', 40),
    await setAside('orders', 30),
    await setAside('alerts', 20),
    await setAside('orders', 10),
  ].reverse()
  const first = await list('?limit=2')
  const second = await list(`?limit=2&cursor=${first.next}`)
  const third = await list(`?limit=2&cursor=${second.next}`)
  assert.deepEqual(
    [...first.items, ...second.items, ...third.items].map(({ id }) => id),
    ids,
  )
  assert.equal(third.next, null)
  const { at: _at, createdAt: _createdAt, ...newest } = first.items[0] as SetAside & { createdAt: string }
  assert.deepEqual(newest, { database: 'orders', id: ids[0], type: 'tidemark.no.such.v1', key: 'k', reason: 'no such type' })
  assert.deepEqual((await list('?database=inventory')).items.length, 1)
})

test('chosen events go back to the outbox of their database, and the others stay', async () => {
  const chosen = await setAside('payments', 5)
  const other = await setAside('payments', 4)
  const { status, body } = await retry({ database: 'payments', ids: [chosen, randomUUID()] })
  assert.equal(status, 200)
  assert.deepEqual(body, { moved: [chosen], left: 1 })
  assert.deepEqual(await idsIn('payments', 'outbox'), [chosen])
  assert.deepEqual(await idsIn('payments', 'outbox_set_aside'), [other])
})

test('a repeated request moves nothing and is given the first answer', async () => {
  const id = await setAside('alerts', 5)
  const key = randomUUID()
  const first = await retry({ database: 'alerts', ids: [id] }, key)
  const sql = sqlOf.get('alerts') as postgres.Sql
  await sql`delete from outbox`
  await setAside('alerts', 1)
  assert.deepEqual((await retry({ database: 'alerts', ids: [id] }, key)).body, first.body)
  assert.deepEqual(await idsIn('alerts', 'outbox'), [])
})

test('an event whose reason is gone is sent by the relay once it is back; one whose reason is not is set aside again', async () => {
  const good = await setAside('notifications', 9, 'tidemark.order.cancelled.v1', cancelled)
  const bad = await setAside('notifications', 8)
  assert.deepEqual((await retry({ database: 'notifications', all: true })).body, { moved: [good, bad], left: 0 })
  const prefix = topicPrefix()
  await createTopics([`${prefix}orders`])
  const stop = new AbortController()
  const database = openDatabase({ url: cloned[databases.indexOf('notifications')]?.url as string, pool: 2, service: 'test' })
  const relayed = relay(
    {
      name: 'notifications',
      database,
      kafka: kafka(),
      codec: eventCodec(serviceUrls().registry),
      topicPrefix: prefix,
      metrics: { sent() {}, setAside() {}, failed() {}, active() {} },
    },
    stop.signal,
  )
  const consumer = kafka().consumer({ groupId: randomUUID(), maxWaitTimeInMs: 50 })
  await consumer.connect()
  await consumer.subscribe({ topic: `${prefix}orders`, fromBeginning: true })
  const sent: string[] = []
  await consumer.run({ eachMessage: async ({ message }) => void sent.push(String(message.headers?.ce_id)) })
  await until(
    'the event on Kafka',
    () => sent,
    ids => ids.includes(good),
  )
  await until(
    'an empty outbox',
    () => idsIn('notifications', 'outbox'),
    ids => ids.length === 0,
  )
  assert.deepEqual(await idsIn('notifications', 'outbox_set_aside'), [bad])
  stop.abort()
  await Promise.all([relayed, consumer.disconnect()])
  await database.close()
})

test('a request says which, and needs the scope to write', async () => {
  assert.equal((await retry({ database: 'orders' })).status, 422)
  assert.equal((await retry({ database: 'orders', all: true, ids: [randomUUID()] })).status, 422)
  assert.equal((await retry({ database: 'nothing', all: true })).status, 422)
  const body = { database: 'orders', all: true }
  assert.equal((await started.request('POST /v1/outbox/set-aside/retry', { body, scopes: ['ops:read'] })).status, 403)
})
