import type { Queryable } from '../data/postgres.ts'
import { currentWork } from '../telemetry/context.ts'
import { formatTraceparent } from '../telemetry/trace.ts'
import { keyOf, type NewEvent } from './catalog.ts'

export interface OutboxRow {
  readonly id: string
  readonly type: string
  readonly key: string
  readonly data: string
  readonly traceparent: string
}

/** The row that makes an event part of the transaction that makes it true. */
export function outboxRow(event: NewEvent, id: string, traceparent = currentTraceparent()): OutboxRow {
  return { id, type: event.type, key: keyOf(event.type, event.data), data: JSON.stringify(event.data), traceparent }
}

export const currentTraceparent = (): string => {
  const work = currentWork()
  return work ? formatTraceparent(work.trace) : ''
}

/** Characters of a row of many: it stays whole in a page of the server, which is told so (migration 0009 of inventory). */
const rowOfMany = 7_000

/** An event in a row that it shares. Its traceparent is the row's where it has none. */
export interface SharingEvent {
  readonly id: string
  readonly key: string
  readonly data: unknown
  readonly traceparent?: string
}

/**
 * The same events in fewer rows: events of one type that were made together share rows, whose data is an array then. A row costs a
 * transaction more than what stands in it, and the relay too.
 */
export function sharingRows(events: readonly OutboxRow[]): OutboxRow[] {
  const rows: OutboxRow[] = []
  let first: OutboxRow | undefined
  let texts: string[] = []
  let length = 0
  const end = () => {
    if (first) rows.push(texts.length === 1 ? first : { ...first, key: '', data: `[${texts.join(',')}]` })
  }
  for (const event of events) {
    const traceparent = event.traceparent === first?.traceparent ? '' : `,"traceparent":"${event.traceparent}"`
    const text = `{"id":"${event.id}","key":${JSON.stringify(event.key)},"data":${event.data}${traceparent}}`
    if (event.type === first?.type && length + text.length < rowOfMany) texts.push(text)
    else {
      end()
      first = event
      texts = [text]
      length = 0
    }
    length += text.length
  }
  end()
  return rows
}

/** Writes events in their order; the relay keeps it for each key. */
export async function insertOutbox(sql: Queryable, rows: readonly OutboxRow[]): Promise<void> {
  if (rows.length > 0) await outboxInsert(sql, rows)
}

/** The same, to be sent by its caller or to be part of a larger statement. */
export const outboxInsert = (sql: Queryable, rows: readonly OutboxRow[]) => sql`
  insert into outbox (event_id, type, key, data, traceparent)
  select * from unnest(
    ${rows.map(row => row.id)}::uuid[], ${rows.map(row => row.type)}::text[], ${rows.map(row => row.key)}::text[],
    ${rows.map(row => row.data)}::text[], ${rows.map(row => row.traceparent)}::text[])`

/** Makes events part of a transaction. */
export const publish = (tx: Queryable, newId: () => string, events: readonly NewEvent[]): Promise<void> =>
  insertOutbox(
    tx,
    events.map(event => outboxRow(event, newId())),
  )
