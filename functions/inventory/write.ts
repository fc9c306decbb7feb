import type { Sql } from '../../shared/data/postgres.ts'
import { together } from '../../shared/data/together.ts'
import { outboxInsert, outboxRow, sharingRows } from '../../shared/events/outbox.ts'
import type { Remembered, Writes } from './batch.ts'
import type { StockCommand } from './decide.ts'
import { insertReservationLines, insertReservations, type Statement, updateReservations } from './reservation-rows.ts'
import { soldBy } from './sold.ts'
import { available, type StockRow } from './stock.ts'
import { insertTransfers, updateTransfers } from './transfer-rows.ts'

/** Movements from which on the server works on one statement while the next one is put together. */
const largeBatch = 100

/** Writes a batch, and then does what is to be sent behind it: the commit. */
export async function write(
  connection: Sql,
  writes: Writes,
  newId: () => string,
  now: Date,
  behind: readonly Statement[],
): Promise<void> {
  const { rows, movements, opened, changed, dispatched, moved, remembered } = writes
  const parts: (() => Statement)[] = []
  if (rows.length > 0) {
    parts.push(
      () => insertMovements(connection, movements, now),
      () => updateRows(connection, rows, movements),
    )
  }
  if (opened.length > 0) {
    parts.push(
      () => insertReservations(connection, opened, now),
      () => insertReservationLines(connection, opened),
    )
  }
  if (remembered.length > 0) parts.push(() => insertRemembered(connection, remembered))
  if (rows.length > 0) parts.push(() => outboxInsert(connection, sharingRows(changedEvents(rows, movements, newId))))
  await together([
    ...(movements.length < largeBatch ? asOne(connection, parts) : await oneByOne(parts)),
    // After those of the first ones: what was opened in this batch may be changed in it too.
    ...updateReservations(connection, changed, now),
    ...insertTransfers(connection, dispatched, now),
    ...updateTransfers(connection, moved, now),
    ...behind,
  ])
}

/**
 * Statements that touch different tables, as one. Each one that is sent by itself costs a write to the socket and a turn of the
 * server: for a batch of thirty reservations half a millisecond of the driver's and of the server's time.
 */
function asOne(connection: Sql, parts: readonly (() => Statement)[]): Statement[] {
  const [last, ...before] = parts.map(part => part()).reverse()
  if (!last || before.length === 0) return last ? [last] : []
  const named = before.reverse().map((part, at) => connection`${connection(`part_${at}`)} as (${part})`)
  return [connection`with ${named.reduce((all, part) => connection`${all}, ${part}`)} ${last}`]
}

/**
 * Sends each statement as soon as it is there: of a large batch the server has milliseconds to do with each, in which others wait for
 * its rows. The one that takes longest goes first.
 */
async function oneByOne(parts: readonly (() => Statement)[]): Promise<Statement[]> {
  const sent: Statement[] = []
  for (const part of parts) {
    const statement = part()
    // It goes out with the next turn of the microtasks; whoever awaits all of them is told of its failure.
    statement.catch(() => {})
    sent.push(statement)
    await undefined
  }
  return sent
}

/** One statement for totals and settings: between two, a row could break a rule that it keeps at the end. */
const updateRows = (connection: Sql, rows: readonly StockRow[], movements: Writes['movements']) =>
  movements.some(({ kind }) => kind === 'settings')
    ? connection`
        update stock s set on_hand = changed.on_hand, reserved = changed.reserved, version = changed.version,
          safety_stock = changed.safety_stock, backorder_limit = changed.backorder_limit, capacity = changed.capacity,
          settings_version = changed.settings_version
        from unnest(
          ${rows.map(row => row.sku)}::text[], ${rows.map(row => row.location)}::text[], ${rows.map(row => row.onHand)}::bigint[],
          ${rows.map(row => row.reserved)}::bigint[], ${rows.map(row => row.version)}::bigint[],
          ${rows.map(row => row.safetyStock)}::bigint[], ${rows.map(row => row.backorderLimit)}::bigint[],
          ${rows.map(row => row.capacity)}::bigint[], ${rows.map(row => row.settingsVersion)}::bigint[]
        ) as changed (sku, location, on_hand, reserved, version, safety_stock, backorder_limit, capacity, settings_version)
        where s.sku = changed.sku and s.location = changed.location`
    : connection`
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

const insertRemembered = (connection: Sql, remembered: readonly Remembered[]) => connection`
  insert into idempotency (key, fingerprint, status, response)
  select * from unnest(
    ${remembered.map(({ key }) => key)}::text[], ${remembered.map(({ fingerprint }) => fingerprint)}::text[],
    ${remembered.map(({ status }) => status)}::int[], ${remembered.map(({ response }) => response)}::text[])`

/** One event a row and transaction, with the newest totals: consumers want the stock as it is, and drop what is older by version. */
function changedEvents(rows: readonly StockRow[], movements: Writes['movements'], newId: () => string) {
  const last = new Map(movements.map(movement => [`${movement.row.location} ${movement.row.sku}`, movement]))
  const sold = soldBy(movements)
  return rows.map(row => {
    const movement = last.get(`${row.location} ${row.sku}`)
    const { sku, location, onHand, reserved, version, capacity } = row
    const { since, units } = sold.get(`${location} ${sku}`) ?? { since: null, units: null }
    const data = {
      ...{ sku, location, onHand, reserved, version, available: available(row), capacity, since, sold: units },
      kind: movement?.kind ?? '',
      reference: movement?.submitted.command.reference ?? null,
    }
    return outboxRow({ type: 'tidemark.stock.changed.v1', data }, newId(), movement?.submitted.traceparent ?? '')
  })
}
