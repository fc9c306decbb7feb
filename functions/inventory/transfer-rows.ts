import type { Queryable, Sql } from '../../shared/data/postgres.ts'
import { together } from '../../shared/data/together.ts'
import type { Writes } from './batch.ts'
import type { Transfer, TransferLine } from './transfer.ts'

type Header = Omit<Transfer, 'lines'>

export async function lockTransfers(connection: Sql, ids: readonly string[]): Promise<Transfer[]> {
  if (ids.length === 0) return []
  const wanted = [...new Set(ids)].sort()
  const [headers, lines] = await together([
    connection<Header[]>`
      select id, state, source, destination, reference, write_off_reason as "writeOffReason", created_at as "createdAt"
      from transfer where id = any (${wanted}::uuid[]) order by id for update`,
    linesOf(connection, wanted),
  ])
  return withLines(headers, lines)
}

export interface TransferFilter {
  readonly state: Transfer['state'] | undefined
  /** As source or as destination. */
  readonly location: string | undefined
  readonly before: string | undefined
  readonly limit: number
}

/** The newest first: ids grow with time. */
export async function listTransfers(sql: Queryable, filter: TransferFilter): Promise<Transfer[]> {
  const { state = null, location = null, before = null, limit } = filter
  const headers = await sql<Header[]>`
    select id, state, source, destination, reference, write_off_reason as "writeOffReason", created_at as "createdAt" from transfer
    where (${state}::text is null or state = ${state}) and (${location}::text is null or ${location} in (source, destination))
      and (${before}::uuid is null or id < ${before}::uuid)
    order by id desc limit ${limit}`
  return readWithLines(sql, headers)
}

export async function readTransfer(sql: Queryable, id: string): Promise<Transfer | undefined> {
  const headers = await sql<Header[]>`
    select id, state, source, destination, reference, write_off_reason as "writeOffReason", created_at as "createdAt"
    from transfer where id = ${id}`
  const [transfer] = await readWithLines(sql, headers)
  return transfer
}

const readWithLines = async (sql: Queryable, headers: readonly Header[]): Promise<Transfer[]> =>
  headers.length === 0
    ? []
    : withLines(
        headers,
        await linesOf(
          sql,
          headers.map(({ id }) => id),
        ),
      )

type LineRow = TransferLine & { readonly id: string }

const linesOf = (sql: Queryable, ids: readonly string[]) => sql<LineRow[]>`
  select transfer_id as id, sku, quantity, received, written_off as "writtenOff", cancelled
  from transfer_line where transfer_id = any (${ids}::uuid[]) order by sku`

function withLines(headers: readonly Header[], lines: readonly LineRow[]): Transfer[] {
  const linesById = Map.groupBy(lines, line => line.id)
  return headers.map(header => ({ ...header, lines: (linesById.get(header.id) ?? []).map(({ id, ...line }) => line) }))
}

export function insertTransfers(connection: Sql, dispatched: Writes['dispatched'], now: Date): PromiseLike<unknown>[] {
  if (dispatched.length === 0) return []
  const transfers = dispatched.map(({ transfer }) => transfer)
  const lines = transfers.flatMap(({ id, lines: some }) => some.map(line => ({ ...line, id })))
  return [
    connection`
      insert into transfer (id, state, source, destination, reference, actor, created_at)
      select id, 'in_transit', source, destination, reference, actor, ${now}::timestamptz from unnest(
        ${transfers.map(({ id }) => id)}::uuid[], ${transfers.map(({ source }) => source)}::text[],
        ${transfers.map(({ destination }) => destination)}::text[], ${transfers.map(({ reference }) => reference)}::text[],
        ${dispatched.map(({ actor }) => actor)}::text[]
      ) as dispatched (id, source, destination, reference, actor)`,
    connection`
      insert into transfer_line (transfer_id, sku, quantity)
      select * from unnest(
        ${lines.map(({ id }) => id)}::uuid[], ${lines.map(({ sku }) => sku)}::text[], ${lines.map(({ quantity }) => quantity)}::bigint[])`,
  ]
}

export function updateTransfers(connection: Sql, moved: readonly Transfer[], now: Date): PromiseLike<unknown>[] {
  if (moved.length === 0) return []
  const lines = moved.flatMap(({ id, lines: some }) => some.map(line => ({ ...line, id })))
  return [
    connection`
      update transfer t set state = moved.state, write_off_reason = moved.reason,
        closed_at = case when moved.state = 'in_transit' then null else ${now}::timestamptz end
      from unnest(
        ${moved.map(({ id }) => id)}::uuid[], ${moved.map(({ state }) => state)}::text[],
        ${moved.map(({ writeOffReason }) => writeOffReason)}::text[]
      ) as moved (id, state, reason)
      where t.id = moved.id`,
    connection`
      update transfer_line l set received = moved.received, written_off = moved.written_off, cancelled = moved.cancelled
      from unnest(
        ${lines.map(({ id }) => id)}::uuid[], ${lines.map(({ sku }) => sku)}::text[], ${lines.map(({ received }) => received)}::bigint[],
        ${lines.map(({ writtenOff }) => writtenOff)}::bigint[], ${lines.map(({ cancelled }) => cancelled)}::bigint[]
      ) as moved (id, sku, received, written_off, cancelled)
      where l.transfer_id = moved.id and l.sku = moved.sku`,
  ]
}
