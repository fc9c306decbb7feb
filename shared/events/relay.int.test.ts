import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import type { Consumer, KafkaMessage } from 'kafkajs'
import { v7 as uuidv7 } from 'uuid'
import {
  type ClonedDatabase,
  cloneDatabase,
  createTopics,
  kafka,
  serviceUrls,
  topicPrefix,
  until,
} from '../../test/environment.ts'
import { type Database, openDatabase } from '../data/postgres.ts'
import { eventCodec } from './codec.ts'
import { openKafka } from './kafka.ts'
import { insertOutbox, outboxRow, sharingRows } from './outbox.ts'
import { type RelayMetrics, relay } from './relay.ts'

const codec = eventCodec(serviceUrls().registry)
const prefix = topicPrefix()
const topic = `${prefix}stock`
const received: { key: string; partition: number; version: number; message: KafkaMessage }[] = []
let cloned: ClonedDatabase
let database: Database
let consumer: Consumer
const ending: (() => Promise<unknown>)[] = []

before(async () => {
  cloned = await cloneDatabase('inventory')
  database = openDatabase({ url: cloned.url, pool: 4, service: 'test' })
  await createTopics([topic])
  consumer = kafka().consumer({ groupId: `${prefix}reader`, maxWaitTimeInMs: 50 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message, partition }) => {
      const { version } = await codec.decode('tidemark.stock.changed.v1', message.value as Buffer)
      received.push({ key: String(message.key), partition, version, message })
    },
  })
})
afterEach(async () => {
  for (const end of ending.splice(0)) await end()
  received.length = 0
})
after(async () => {
  await consumer.disconnect()
  await database.close()
  await cloned.drop()
})

interface RelayUnderTest {
  name: string
  active: boolean
  sent: number
  failures: unknown[]
  setAside: number
  stop(): Promise<void>
}

function startRelay(name: string, batch?: number): RelayUnderTest {
  const own = openDatabase({ url: cloned.url, pool: 1, service: name })
  const abort = new AbortController()
  const state = { name, active: false, sent: 0, failures: [] as unknown[], setAside: 0 }
  const metrics: RelayMetrics = {
    sent(count) {
      state.sent += count
    },
    setAside() {
      state.setAside++
    },
    failed(error) {
      state.failures.push(error)
    },
    active(is) {
      state.active = is
    },
  }
  const broker = openKafka({ brokers: serviceUrls().kafka, service: name })
  const ended = relay(
    { name: 'inventory', database: own, kafka: broker, codec, metrics, topicPrefix: prefix, ...(batch && { batch }) },
    abort.signal,
  )
  const stop = async () => {
    abort.abort()
    await ended
    await own.close()
  }
  ending.push(stop)
  return Object.assign(state, { stop })
}

const changed = (sku: string, version: number, traceparent?: string) => {
  const data = { sku, location: 'main', onHand: 1, reserved: 0, available: 1, version, kind: 'receive', reference: null }
  const untold = { capacity: null, since: null, sold: null }
  return outboxRow({ type: 'tidemark.stock.changed.v1', data: { ...data, ...untold } }, uuidv7(), traceparent)
}

const versionsOf = (key: string) => received.filter(one => one.key === key).map(({ version }) => version)
const pending = async () => ((await database.sql`select count(*)::int as n from outbox`)[0] as { n: number }).n
const arrived = (count: number) =>
  until(
    'all events arrived',
    () => received.length,
    length => length >= count,
  )

test('every event arrives once, in the order of its key, as a CloudEvent in binary mode', async () => {
  const keys = ['A', 'B', 'C', 'D', 'E']
  const rows = Array.from({ length: 500 }, (_, index) =>
    changed(
      keys[index % keys.length] as string,
      Math.floor(index / keys.length) + 1,
      `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    ),
  )
  await insertOutbox(database.sql, rows)
  startRelay('lone', 64)
  await arrived(rows.length)
  await until('the outbox is empty', pending, count => count === 0)
  assert.equal(received.length, rows.length)
  for (const key of keys) {
    assert.deepEqual(
      versionsOf(key),
      Array.from({ length: 100 }, (_, index) => index + 1),
      key,
    )
  }
  const { message } = received[0] as (typeof received)[number]
  const headers = Object.fromEntries(Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]))
  const row = rows.find(({ id }) => id === headers.ce_id)
  assert.ok(row, 'the event id is that of its row')
  // The content type is the header for it; that the SDK repeats it as an attribute of its own is not asked for.
  const { ce_time: time, ce_datacontenttype: _repeated, ...rest } = headers
  assert.deepEqual(rest, {
    'content-type': 'application/avro',
    ce_specversion: '1.0',
    ce_id: row.id,
    ce_type: 'tidemark.stock.changed.v1',
    ce_source: '/tidemark/inventory',
    ce_subject: row.key,
    ce_partitionkey: row.key,
    ce_traceparent: row.traceparent,
  })
  assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000)
})

test('an event that cannot be encoded is set aside with the reason, and the others go on', async () => {
  const bad = { ...changed('F', 2), data: '{"sku":"F"}' }
  const nonsense = { ...changed('F', 3), data: 'not json' }
  const unknown = { ...changed('F', 4), type: 'tidemark.nothing.v1' }
  await insertOutbox(database.sql, [changed('F', 1), bad, nonsense, unknown, changed('F', 5)])
  const one = startRelay('aside')
  await until('the outbox is empty', pending, count => count === 0)
  await arrived(2)
  assert.deepEqual(versionsOf('F'), [1, 5])
  assert.equal(one.setAside, 3)
  const aside = await database.sql<
    { eventId: string; error: string }[]
  >`select event_id as "eventId", error from outbox_set_aside`
  assert.deepEqual(aside.map(row => row.eventId).sort(), [bad.id, nonsense.id, unknown.id].sort())
  assert.ok(aside.every(row => row.error.length > 0))
})

test('events that share rows arrive each by itself, with its own id and trace, in the order of its key', async () => {
  const traces = [`00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01`]
  const events = Array.from({ length: 200 }, (_, index) => changed(`P-${index % 3}`, index + 1, traces[index % 2]))
  const bad = { ...changed('P-0', 201, traces[0]), data: '{"sku":"P-0"}' }
  const rows = sharingRows([...events.slice(0, 50), bad, ...events.slice(50)])
  assert.ok(rows.length < 20, `${rows.length} rows`)
  await insertOutbox(database.sql, rows)
  await insertOutbox(database.sql, [changed('P-0', 202), { ...changed('P-0', 203), data: '[not json' }])
  const one = startRelay('sharing', 4)
  await arrived(201)
  await until('the outbox is empty', pending, count => count === 0)
  const told = received.slice().sort((a, b) => a.version - b.version)
  assert.deepEqual(
    told.slice(0, 200).map(({ key, message: { headers } }) => [key, String(headers?.ce_id), String(headers?.ce_traceparent)]),
    events.map(({ key, id, traceparent }) => [key, id, traceparent]),
  )
  for (const key of ['P-0', 'P-1', 'P-2']) {
    assert.deepEqual(
      versionsOf(key),
      versionsOf(key).toSorted((a, b) => a - b),
      key,
    )
  }
  assert.equal(one.setAside, 2)
  const [aside] = await database.sql`select key, data, traceparent from outbox_set_aside where event_id = ${bad.id}`
  assert.deepEqual({ ...aside }, { key: 'P-0', data: bad.data, traceparent: traces[0] })
})

test('of two relays one works, and the other takes over when it ends', async () => {
  const first = startRelay('first')
  await until(
    'the first works',
    () => first.active,
    is => is,
  )
  const second = startRelay('second')
  await insertOutbox(database.sql, [changed('G', 1)])
  await arrived(1)
  assert.equal(second.active, false)
  await first.stop()
  await until(
    'the second took over',
    () => second.active,
    is => is,
  )
  await insertOutbox(database.sql, [changed('G', 2)])
  await arrived(2)
  await until(
    'each has counted its own',
    () => [first.sent, second.sent],
    sent => sent.every(count => count === 1),
  )
  assert.deepEqual(versionsOf('G'), [1, 2])
})

test('a relay that stands by takes over although its own connection was lost while it waited', async () => {
  const first = startRelay('working')
  await until(
    'the first works',
    () => first.active,
    is => is,
  )
  const second = startRelay('standing-by')
  const killStandby = async () =>
    (await database.sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'standing-by'`).length
  await until('it stands by', killStandby, killed => killed > 0)
  await until(
    'it has noticed',
    () => second.failures.length,
    failures => failures > 0,
  )
  await first.stop()
  await insertOutbox(database.sql, [changed('S', 1)])
  await arrived(1)
  assert.ok(second.active)
})

test('a transaction that commits late is sent before the younger events of its key that follow it', async () => {
  const { promise: commit, resolve: letCommit } = Promise.withResolvers<void>()
  const { promise: inserted, resolve: hasInserted } = Promise.withResolvers<void>()
  const late = database.transaction(async tx => {
    await insertOutbox(tx, [changed('LATE', 1)])
    hasInserted()
    await commit
  })
  await inserted
  // The key's row is locked by the late transaction, so its younger events can only come after it; others overtake it.
  await insertOutbox(
    database.sql,
    Array.from({ length: 20 }, (_, index) => changed('OTHER', index + 1)),
  )
  startRelay('late', 4)
  await until(
    'the others overtook',
    () => versionsOf('OTHER').length,
    count => count === 20,
  )
  letCommit()
  await late
  await insertOutbox(
    database.sql,
    Array.from({ length: 12 }, (_, index) => changed('LATE', index + 2)),
  )
  await arrived(33)
  assert.deepEqual(
    versionsOf('LATE'),
    Array.from({ length: 13 }, (_, index) => index + 1),
  )
})

test('while full rounds are read ahead, an event that became visible late keeps its place in its key', async () => {
  const { promise: commit, resolve: letCommit } = Promise.withResolvers<void>()
  const { promise: inserted, resolve: hasInserted } = Promise.withResolvers<void>()
  const late = database.transaction(async tx => {
    await insertOutbox(tx, [changed('AHEAD', 1)])
    hasInserted()
    await commit
  })
  await inserted
  await insertOutbox(
    database.sql,
    Array.from({ length: 3_000 }, (_, index) => changed(`FILL${index % 7}`, index + 1)),
  )
  const one = startRelay('ahead', 10)
  await until(
    'it is at work',
    () => one.sent,
    sent => sent > 100,
  )
  letCommit()
  await late
  await insertOutbox(database.sql, [changed('AHEAD', 2), changed('AHEAD', 3)])
  await arrived(3_003)
  assert.deepEqual(versionsOf('AHEAD'), [1, 2, 3])
  assert.equal(received.length, 3_003)
})

test('a relay whose database connection is killed goes on, and nothing is lost', async () => {
  const one = startRelay('killed', 50)
  await until(
    'it works',
    () => one.active,
    is => is,
  )
  await insertOutbox(
    database.sql,
    Array.from({ length: 500 }, (_, index) => changed('K', index + 1)),
  )
  await until(
    'it is at work',
    () => one.sent,
    sent => sent > 0,
  )
  const killed = await database.sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'killed'`
  assert.equal(killed.length, 1)
  await insertOutbox(database.sql, [changed('K', 501)])
  await until(
    'all arrived',
    () => new Set(versionsOf('K')).size,
    size => size === 501,
  )
  await until('the outbox is empty', pending, count => count === 0)
  const firsts = [...new Set(versionsOf('K'))]
  assert.deepEqual(
    firsts,
    [...firsts].sort((a, b) => a - b),
    'what is repeated comes again in order',
  )
  assert.ok(one.failures.length > 0)
})
