import type { IHeaders, Kafka, Message, Producer } from 'kafkajs'
import type { Database, Sql } from '../data/postgres.ts'
import { type EventType, isEventType, topicOf } from './catalog.ts'
import type { EventCodec } from './codec.ts'
import type { SharingEvent } from './outbox.ts'

interface Waiting {
  id: number
  eventId: string
  type: string
  key: string
  data: string
  traceparent: string
  createdAt: Date
}

/** One event of a row; its data as text, or read already where the row holds several. */
type Event = Omit<Waiting, 'data'> & { data: unknown }

interface Outgoing {
  topic: string
  message: Message
}

export interface RelayMetrics {
  sent(count: number, oldest: Date): void
  setAside(): void
  failed(error: unknown): void
  active(active: boolean): void
}

export interface RelayOptions {
  /** The database's name: the `source` of its events is `/tidemark/NAME`. */
  name: string
  database: Database
  kafka: Kafka
  codec: EventCodec
  metrics: RelayMetrics
  /** Put before each topic's name; empty but in tests that share a broker. */
  topicPrefix?: string
  /** Rows a round. More rows share one produce request and one delete. */
  batch?: number
}

/** Milliseconds between looks at an empty outbox: soon after work, rarely after a quiet time. */
const soonest = 8
const latest = 40
const lockNamespace = 0x7469_6465 // "tide"

/**
 * Sends the outbox of one database to Kafka, in order for each key, until `signal` is aborted.
 *
 * Only one relay a database works at a time: the others wait for a session-level advisory lock and take over when its connection ends.
 * A row is deleted after all in-sync replicas have it, so a crash sends it again with the same event id and consumers drop it.
 * Rows are found by being there, not by a cursor: a transaction that commits late with a low id is not skipped.
 */
export async function relay(options: RelayOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const session = await options.database.session().catch(options.metrics.failed)
    if (!session) {
      await pause(500, signal)
      continue
    }
    const connection = session.sql
    let producer: Producer | undefined
    try {
      if (!(await Promise.race([session.lost, takeLock(connection, options.name, signal)]))) continue
      options.metrics.active(true)
      producer = options.kafka.producer({ idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false })
      await producer.connect()
      await Promise.race([session.lost, sendUntil(signal, connection, producer, options)])
    } catch (error) {
      options.metrics.failed(error)
      await pause(250, signal)
    } finally {
      options.metrics.active(false)
      await producer?.disconnect().catch(() => {})
      await connection`select pg_advisory_unlock(${lockNamespace}, hashtext(${options.name}))`.catch(() => {})
      session.release()
    }
  }
}

async function takeLock(connection: Sql, name: string, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    const [row] = await connection<{ locked: boolean }[]>`
      select pg_try_advisory_lock(${lockNamespace}, hashtext(${name})) as locked`
    if (row?.locked) return true
    await pause(1_000, signal)
  }
  return false
}

async function sendUntil(signal: AbortSignal, connection: Sql, producer: Producer, options: RelayOptions): Promise<void> {
  const batch = options.batch ?? 1_000
  let wait = soonest
  let rows = await firstRows(connection, batch)
  /** `rows`, when they have been encoded already. */
  let ready: Outgoing[] | undefined
  while (!signal.aborted) {
    if (rows.length === 0) {
      await pause(wait, signal)
      wait = Math.min(wait * 2, latest)
      rows = await firstRows(connection, batch)
      continue
    }
    wait = soonest
    const encoded = ready ?? (await encodeRows(connection, rows, options))
    const [, ahead] = await Promise.all([
      send(producer, encoded, batch),
      // A full round means that more is waiting: the next rows are read while these are on their way.
      rows.length === batch && rowsBehind(connection, rows, batch),
    ])
    // The next are encoded while the server deletes these.
    const [, next] = await Promise.all([deleteRows(connection, rows), ahead ? encodeRows(connection, ahead, options) : undefined])
    options.metrics.sent(encoded.length, (rows[0] as Waiting).createdAt)
    rows = ahead || (await firstRows(connection, batch))
    ready = rows === ahead && rows.length > 0 ? next : undefined
  }
}

/** One request after another, each of a bounded number of events: a row may hold several. */
async function send(producer: Producer, encoded: readonly Outgoing[], atOnce: number): Promise<void> {
  for (let from = 0; from < encoded.length; from += atOnce) {
    const topicMessages = byTopic(encoded.slice(from, from + atOnce))
    await producer.sendBatch({ acks: -1, timeout: 10_000, topicMessages })
  }
}

const firstRows = (connection: Sql, limit: number) => connection<Waiting[]>`
  select id, event_id as "eventId", type, key, data, traceparent, created_at as "createdAt"
  from outbox order by id limit ${limit}`

/**
 * The rows after those in flight. None when a row with a lower id has become visible meanwhile (its transaction committed late):
 * it may be the elder event of a key that also stands further behind, so it must be read first.
 */
const rowsBehind = (connection: Sql, inFlight: readonly Waiting[], limit: number) => connection<Waiting[]>`
  select id, event_id as "eventId", type, key, data, traceparent, created_at as "createdAt"
  from outbox
  where id > ${(inFlight.at(-1) as Waiting).id}
    and (select count(*) from outbox where id <= ${(inFlight.at(-1) as Waiting).id}) = ${inFlight.length}
  order by id limit ${limit}`

async function deleteRows(connection: Sql, rows: readonly Waiting[]): Promise<void> {
  await connection`delete from outbox where id = any (${rows.map(row => row.id)}::bigint[])`
}

/** Events that cannot be encoded are set aside in `outbox_set_aside`, where the backlog shows them; the others go on. */
async function encodeRows(connection: Sql, rows: readonly Waiting[], options: RelayOptions): Promise<Outgoing[]> {
  const encoded: Outgoing[] = []
  for (const event of rows.flatMap(eventsOf)) {
    try {
      encoded.push(await encodeEvent(event, options))
    } catch (error) {
      if ((error as Error).name === 'Transient') throw error
      const { eventId, type, key, traceparent, createdAt } = event
      await connection`
        insert into outbox_set_aside (event_id, type, key, data, traceparent, created_at, error)
        values (${eventId}, ${type}, ${key}, ${textOf(event)}, ${traceparent}, ${createdAt}, ${(error as Error).message})
        on conflict do nothing`
      options.metrics.setAside()
    }
  }
  return encoded
}

/** See `sharingRows`. What cannot be read stays one event, which is set aside. */
function eventsOf(row: Waiting): Event[] {
  if (!row.data.startsWith('[')) return [row]
  try {
    return (JSON.parse(row.data) as SharingEvent[]).map(({ id, ...event }) => ({ ...row, eventId: id, ...event }))
  } catch {
    return [row]
  }
}

const textOf = ({ data }: Event): string => (typeof data === 'string' ? data : JSON.stringify(data))

async function encodeEvent(event: Event, options: RelayOptions): Promise<Outgoing> {
  const { type, key, data, createdAt } = event
  if (!isEventType(type)) throw new Error(`There is no event type ${type}.`)
  const encode = await options.codec.encoder(type)
  return {
    topic: `${options.topicPrefix ?? ''}${topicOf(type as EventType)}`,
    message: {
      key,
      value: encode((typeof data === 'string' ? JSON.parse(data) : data) as never),
      headers: cloudEventHeaders(event, options.name),
      timestamp: String(createdAt.getTime()),
    },
  }
}

/**
 * A CloudEvent in binary mode: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md#32-binary-content-mode
 * Written out, because the SDK makes an object of each event and copies it twice: a fifth of what an event costs here.
 */
const cloudEventHeaders = (row: Event, database: string): IHeaders => ({
  ce_specversion: '1.0',
  ce_id: row.eventId,
  ce_type: row.type,
  ce_source: `/tidemark/${database}`,
  ce_subject: row.key,
  ce_time: row.createdAt.toISOString(),
  ce_partitionkey: row.key,
  ce_datacontenttype: 'application/avro',
  'content-type': 'application/avro',
  ...(row.traceparent && { ce_traceparent: row.traceparent }),
})

function byTopic(outgoing: readonly Outgoing[]) {
  const messages = Map.groupBy(outgoing, ({ topic }) => topic)
  return [...messages].map(([topic, list]) => ({ topic, messages: list.map(({ message }) => message) }))
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    signal.addEventListener('abort', done)
  })
}
