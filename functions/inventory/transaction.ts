import { byPlace, type Place } from '../../shared/data/locking-order.ts'
import type { Database, Sql } from '../../shared/data/postgres.ts'
import { insertOutbox, outboxRow } from '../../shared/events/outbox.ts'
import type { Loaded, Remembered, Submitted, Writes } from './batch.ts'
import type { StockCommand } from './decide.ts'
import { available, type Reservation, type StockLine, type StockRow } from './stock.ts'

/**
 * Begins a transaction, locks what the batch touches, lets `decide` decide on it, writes, and commits.
 * Two round trips: begin and lock go out together, so do the writes and the commit; a batch that closes reservations needs one more,
 * to learn their lines.
 */
export async function inOneTransaction<R>(
  database: Database,
  batch: readonly Submitted[],
  decide: (loaded: Loaded) => { writes: Writes; result: R },
  newId: () => string,
  now: Date,
): Promise<R> {
  const session = await database.session()
  try {
    return await Promise.race([session.lost, work(session.sql)])
  } finally {
    session.release()
  }

  async function work(connection: Sql): Promise<R> {
    try {
      const [, loaded] = await together([connection`begin`.execute(), load(connection, batch)])
      const { writes, result } = decide(loaded)
      await together([...write(connection, writes, newId, now), connection`commit`])
      return result
    } catch (error) {
      await connection`rollback`.catch(() => {})
      throw error
    }
  }
}

/** Sends statements in one go. All are waited for, so that the connection is not given back in the middle of an answer. */
async function together<const S extends readonly PromiseLike<unknown>[]>(statements: S) {
  const failed = (await Promise.allSettled(statements)).find(result => result.status === 'rejected')
  if (failed) throw failed.reason
  return Promise.all(statements)
}

const nothing = Promise.resolve([])

async function load(connection: Sql, batch: readonly Submitted[]): Promise<Loaded> {
  const closing = batch.map(({ command }) => command).filter(isClosing)
  const reservations =
    closing.length > 0
      ? await lockReservations(
          connection,
          closing.map(command => command.id),
        )
      : []
  const created = places(batch.flatMap(({ command }) => (isCreating(command) ? placesOf(command) : [])))
  const wanted = places([...batch.flatMap(({ command }) => placesOf(command)), ...reservations.flatMap(({ lines }) => lines)])
  const keys = batch.flatMap(({ idempotencyKey }) => idempotencyKey ?? [])
  // In this order: a repetition on another instance waits for the row's lock, and then sees the answer of the first.
  const [, rows, remembered] = await together([
    created.length > 0 ? createRows(connection, created) : nothing,
    wanted.length > 0 ? lockRows(connection, wanted) : nothing,
    keys.length > 0 ? readRemembered(connection, keys) : nothing,
  ])
  return { rows, reservations, remembered }
}

type Closing = Extract<StockCommand, { kind: 'commit' | 'release' | 'return' | 'expire' }>
const isClosing = (command: StockCommand): command is Closing => 'id' in command && command.kind !== 'reserve'
const isCreating = (command: StockCommand): boolean =>
  command.kind === 'receive' || command.kind === 'adjust' || command.kind === 'set'

function placesOf(command: StockCommand): readonly Place[] {
  if ('lines' in command) return command.lines
  return command.kind === 'set' ? [command] : []
}

/** Each place once, in locking order. */
function places(all: readonly Place[]): Place[] {
  const unique = new Map(all.map(({ sku, location }) => [`${location} ${sku}`, { sku, location }]))
  return [...unique.values()].sort(byPlace)
}

const createRows = (connection: Sql, wanted: readonly Place[]) => connection`
  insert into stock (sku, location)
  select * from unnest(${wanted.map(place => place.sku)}::text[], ${wanted.map(place => place.location)}::text[])
  on conflict do nothing`

const lockRows = (connection: Sql, wanted: readonly Place[]) => connection<StockRow[]>`
  select s.sku, s.location, s.on_hand as "onHand", s.reserved, s.safety_stock as "safetyStock",
         s.backorder_limit as "backorderLimit", s.version
  from unnest(${wanted.map(place => place.sku)}::text[], ${wanted.map(place => place.location)}::text[]) as wanted (sku, location)
  join stock s on s.sku = wanted.sku and s.location = wanted.location
  order by s.sku, s.location
  for update of s`

async function lockReservations(connection: Sql, ids: readonly string[]): Promise<Reservation[]> {
  const sorted = [...new Set(ids)].sort()
  const [headers, lines] = await Promise.all([
    connection<Omit<Reservation, 'lines'>[]>`
      select id, state, reference, expires_at as "expiresAt" from reservation
      where id = any (${sorted}::uuid[]) order by id for update`,
    connection<(StockLine & { id: string })[]>`
      select reservation_id as id, sku, location, quantity from reservation_line where reservation_id = any (${sorted}::uuid[])`,
  ])
  const linesOf = Map.groupBy(lines, line => line.id)
  return headers.map(header => ({ ...header, lines: linesOf.get(header.id) ?? [] }))
}

const readRemembered = (connection: Sql, keys: readonly string[]) => connection<Remembered[]>`
  select key, fingerprint, status, response from idempotency where key = any (${keys}::text[])`

function write(connection: Sql, writes: Writes, newId: () => string, now: Date): PromiseLike<unknown>[] {
  const { rows, movements, opened, closed, remembered } = writes
  return [
    ...(rows.length > 0 ? [updateRows(connection, rows), insertMovements(connection, movements, now)] : []),
    ...(opened.length > 0 ? [openReservations(connection, opened, now), insertLines(connection, opened)] : []),
    ...(closed.length > 0 ? [closeReservations(connection, closed, now)] : []),
    ...(remembered.length > 0 ? [insertRemembered(connection, remembered)] : []),
    ...(rows.length > 0 ? [insertOutbox(connection, changedEvents(rows, movements, newId))] : []),
  ]
}

const updateRows = (connection: Sql, rows: readonly StockRow[]) => connection`
  update stock s set on_hand = changed.on_hand, reserved = changed.reserved, version = changed.version
  from unnest(
    ${rows.map(row => row.sku)}::text[], ${rows.map(row => row.location)}::text[], ${rows.map(row => row.onHand)}::bigint[],
    ${rows.map(row => row.reserved)}::bigint[], ${rows.map(row => row.version)}::bigint[]
  ) as changed (sku, location, on_hand, reserved, version)
  where s.sku = changed.sku and s.location = changed.location`

const insertMovements = (connection: Sql, movements: Writes['movements'], now: Date) => connection`
  insert into movement (sku, location, version, kind, on_hand_delta, reserved_delta, reason, reference, actor, at)
  select *, ${now}::timestamptz from unnest(
    ${movements.map(({ row }) => row.sku)}::text[], ${movements.map(({ row }) => row.location)}::text[],
    ${movements.map(({ row }) => row.version)}::bigint[], ${movements.map(({ kind }) => kind)}::text[],
    ${movements.map(({ onHandDelta }) => onHandDelta)}::bigint[], ${movements.map(({ reservedDelta }) => reservedDelta)}::bigint[],
    ${movements.map(({ submitted }) => reasonOf(submitted.command))}::text[],
    ${movements.map(({ submitted }) => submitted.command.reference ?? null)}::text[],
    ${movements.map(({ submitted }) => submitted.command.actor)}::text[])`

const reasonOf = (command: StockCommand): string | null => ('reason' in command ? command.reason : null)

const openReservations = (connection: Sql, opened: Writes['opened'], now: Date) => connection`
  insert into reservation (id, state, reference, actor, expires_at, created_at)
  select id, 'open', reference, actor, expires_at, ${now}::timestamptz from unnest(
    ${opened.map(({ reservation }) => reservation.id)}::uuid[], ${opened.map(({ reservation }) => reservation.reference)}::text[],
    ${opened.map(({ actor }) => actor)}::text[],
    ${opened.map(({ reservation }) => reservation.expiresAt.toISOString())}::timestamptz[]
  ) as opened (id, reference, actor, expires_at)`

function insertLines(connection: Sql, opened: Writes['opened']) {
  const lines = opened.flatMap(({ reservation }) => reservation.lines.map(line => ({ ...line, id: reservation.id })))
  return connection`
    insert into reservation_line (reservation_id, sku, location, quantity)
    select * from unnest(
      ${lines.map(line => line.id)}::uuid[], ${lines.map(line => line.sku)}::text[],
      ${lines.map(line => line.location)}::text[], ${lines.map(line => line.quantity)}::bigint[])`
}

const closeReservations = (connection: Sql, closed: readonly Reservation[], now: Date) => connection`
  update reservation r set state = closed.state, closed_at = ${now}
  from unnest(${closed.map(({ id }) => id)}::uuid[], ${closed.map(({ state }) => state)}::text[]) as closed (id, state)
  where r.id = closed.id`

const insertRemembered = (connection: Sql, remembered: readonly Remembered[]) => connection`
  insert into idempotency (key, fingerprint, status, response)
  select * from unnest(
    ${remembered.map(({ key }) => key)}::text[], ${remembered.map(({ fingerprint }) => fingerprint)}::text[],
    ${remembered.map(({ status }) => status)}::int[], ${remembered.map(({ response }) => response)}::text[])`

/** One event a row and transaction, with the newest totals: consumers want the stock as it is, and drop what is older by version. */
function changedEvents(rows: readonly StockRow[], movements: Writes['movements'], newId: () => string) {
  const last = new Map(movements.map(movement => [`${movement.row.location} ${movement.row.sku}`, movement]))
  return rows.map(row => {
    const movement = last.get(`${row.location} ${row.sku}`)
    const { sku, location, onHand, reserved, version } = row
    const data = {
      ...{ sku, location, onHand, reserved, version, available: available(row) },
      kind: movement?.kind ?? '',
      reference: movement?.submitted.command.reference ?? null,
    }
    return outboxRow({ type: 'tidemark.stock.changed.v1', data }, newId(), movement?.submitted.traceparent ?? '')
  })
}
