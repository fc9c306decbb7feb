import type postgres from 'postgres'
import type { Sql } from '../../shared/data/postgres.ts'
import { together } from '../../shared/data/together.ts'
import type { Short, Writes } from './batch.ts'
import { completed, freshLine, type Reservation, type ReservationLine } from './stock.ts'

type Header = Omit<Reservation, 'lines'>
type LineRow = ReservationLine & { readonly id: string }

/** Sent when it is waited for; until then it can be part of another one. */
export type Statement = postgres.PendingQuery<postgres.Row[]>

const noLock = Promise.resolve([])

/** Reservations by their ids, and all that are open of some owners. One owner is dealt with by one transaction at a time. */
export async function lockReservations(
  connection: Sql,
  ids: readonly string[],
  owners: readonly string[],
): Promise<Reservation[]> {
  if (ids.length + owners.length === 0) return []
  const wanted = [...new Set(ids)].sort()
  const whose = [...new Set(owners)]
  const [, headers, lines] = await together([
    whose.length > 0
      ? connection`
          select pg_advisory_xact_lock(key)
          from (select distinct hashtextextended(owner, 0) as key from unnest(${whose}::text[]) as wanted (owner) order by key) keys`
      : noLock,
    whose.length > 0
      ? connection<Header[]>`
          select id, state, reference, owner, expires_at as "expiresAt" from reservation
          where id = any (${wanted}::uuid[]) or (owner = any (${whose}::text[]) and state = 'open') order by id for update`
      : connection<Header[]>`
          select id, state, reference, owner, expires_at as "expiresAt" from reservation
          where id = any (${wanted}::uuid[]) order by id for update`,
    whose.length > 0
      ? connection<LineRow[]>`
          select reservation_id as id, sku, location, quantity, committed, released, returned from reservation_line
          where reservation_id = any (array(
            select id from reservation
            where id = any (${wanted}::uuid[]) or (owner = any (${whose}::text[]) and state = 'open')))`
      : linesOf(connection, wanted),
  ])
  return reservationsOf(headers, lines)
}

/** Reservations whose time is over that one round gives way for at most; there are as many as one minute's sweep has left. */
const lapsedLimit = 1_000

/**
 * Open reservations whose time is over and that hold what somebody is short of. One that another transaction has locked is passed over:
 * rows are locked already here, so to wait for it could be to wait in a circle.
 */
export async function lockLapsed(connection: Sql, short: readonly Short[], now: Date): Promise<Reservation[]> {
  const headers = await connection<Header[]>`
    select r.id, r.state, r.reference, r.owner, r.expires_at as "expiresAt" from reservation r
    cross join lateral (
      select from reservation_line l
      join unnest(${short.map(({ sku }) => sku)}::text[], ${short.map(({ location }) => location ?? null)}::text[]) as short (sku, location)
        on l.sku = short.sku and l.location = coalesce(short.location, l.location)
      where l.reservation_id = r.id and l.committed + l.released < l.quantity limit 1
    ) held
    where r.state = 'open' and r.expires_at <= ${now}
    order by r.expires_at limit ${lapsedLimit} for update of r skip locked`
  if (headers.length === 0) return []
  return reservationsOf(
    headers,
    await linesOf(
      connection,
      headers.map(({ id }) => id),
    ),
  )
}

const linesOf = (connection: Sql, ids: readonly string[]) => connection<LineRow[]>`
  select reservation_id as id, sku, location, quantity, committed, released, returned from reservation_line
  where reservation_id = any (${ids}::uuid[])`

function reservationsOf(headers: readonly Header[], lines: readonly LineRow[]): Reservation[] {
  const linesById = Map.groupBy(lines, line => line.id)
  return headers.map(header => ({
    ...header,
    lines: (linesById.get(header.id) ?? []).map(({ id, ...line }) => completed(header.state, line)),
  }))
}

export const insertReservations = (connection: Sql, opened: Writes['opened'], now: Date): Statement => connection`
  insert into reservation (id, state, reference, actor, owner, expires_at, created_at)
  select id, 'open', reference, actor, owner, expires_at, ${now}::timestamptz from unnest(
    ${opened.map(({ reservation }) => reservation.id)}::uuid[], ${opened.map(({ reservation }) => reservation.reference)}::text[],
    ${opened.map(({ actor }) => actor)}::text[], ${opened.map(({ reservation }) => reservation.owner)}::text[],
    ${opened.map(({ reservation }) => reservation.expiresAt.toISOString())}::timestamptz[]
  ) as opened (id, reference, actor, owner, expires_at)`

export function insertReservationLines(connection: Sql, opened: Writes['opened']): Statement {
  const lines = opened.flatMap(({ reservation }) => reservation.lines.map(line => ({ ...line, id: reservation.id })))
  return connection`
    insert into reservation_line (reservation_id, sku, location, quantity)
    select * from unnest(
      ${lines.map(line => line.id)}::uuid[], ${lines.map(line => line.sku)}::text[],
      ${lines.map(line => line.location)}::text[], ${lines.map(line => line.quantity)}::bigint[])`
}

export function updateReservations(connection: Sql, changed: readonly Reservation[], now: Date): PromiseLike<unknown>[] {
  if (changed.length === 0) return []
  const parts = changed.filter(wentInParts).flatMap(({ id, lines }) => lines.map(line => ({ ...line, id })))
  return [
    connection`
      update reservation r set state = changed.state, expires_at = changed.expires_at,
        closed_at = case when changed.state = 'open' then null when changed.state = r.state then r.closed_at else ${now}::timestamptz end
      from unnest(
        ${changed.map(({ id }) => id)}::uuid[], ${changed.map(({ state }) => state)}::text[],
        ${changed.map(({ expiresAt }) => expiresAt.toISOString())}::timestamptz[]
      ) as changed (id, state, expires_at)
      where r.id = changed.id`,
    ...(parts.length > 0 ? [updateParts(connection, parts)] : []),
  ]
}

/** Whether the lines say more than the state does: see `completed`. */
function wentInParts({ state, lines }: Reservation): boolean {
  return lines.some(line => {
    const told = completed(state, freshLine(line))
    return told.committed !== line.committed || told.released !== line.released || told.returned !== line.returned
  })
}

const updateParts = (connection: Sql, parts: readonly LineRow[]) => connection`
  update reservation_line l set committed = part.committed, released = part.released, returned = part.returned
  from unnest(
    ${parts.map(({ id }) => id)}::uuid[], ${parts.map(({ sku }) => sku)}::text[], ${parts.map(({ location }) => location)}::text[],
    ${parts.map(({ committed }) => committed)}::bigint[], ${parts.map(({ released }) => released)}::bigint[],
    ${parts.map(({ returned }) => returned)}::bigint[]
  ) as part (id, sku, location, committed, released, returned)
  where l.reservation_id = part.id and l.sku = part.sku and l.location = part.location`
