import { byPlace, type Place } from '../../shared/data/locking-order.ts'
import type { Sql } from '../../shared/data/postgres.ts'
import { together } from '../../shared/data/together.ts'
import type { Loaded, Remembered, Submitted } from './batch.ts'
import type { StockCommand } from './decide.ts'
import { lockReservations } from './reservation-rows.ts'
import { loadSources } from './source-rows.ts'
import type { SourceLocation } from './sources.ts'
import type { Reservation, StockRow } from './stock.ts'
import type { Transfer } from './transfer.ts'
import { lockTransfers } from './transfer-rows.ts'

const nothing = Promise.resolve([])
const nothingBefore: [Reservation[], Transfer[], Map<string, SourceLocation[]>] = [[], [], new Map()]

/**
 * All statements of the ledger look rows up. A connection keeps the plans that it makes, and one that was made while a table was small
 * would read all of it, ever longer as it grows: milliseconds a batch until the server has next analysed the table.
 */
export const begin = (connection: Sql) => connection.unsafe('begin; set local enable_seqscan = off')

/**
 * Locks what a batch touches. Rows that are to come into being are made before any is locked, so that nobody waits for a new row while
 * another waits for a locked one; and they are looked for first, because mostly all are there.
 */
export async function load(connection: Sql, batch: readonly Submitted[]): Promise<Loaded> {
  const { created, ...loaded } = await lock(connection, batch)
  const found = new Set(loaded.rows.map(keyOf))
  const missing = created.filter(place => !found.has(keyOf(place)))
  if (missing.length === 0) return loaded
  // The locks go with the transaction.
  await together([connection`rollback`, begin(connection), createRows(connection, missing)])
  return lock(connection, batch)
}

/**
 * Always in this order, so that nobody waits in a circle: owners, reservations and transfers by their ids, then rows by their place.
 */
async function lock(connection: Sql, batch: readonly Submitted[]): Promise<Loaded & { created: readonly Place[] }> {
  const commands = batch.map(({ command }) => command)
  const ids = commands.flatMap(command => (isOfReservation(command) ? command.id : []))
  const owners = commands.flatMap(command => (command.kind === 'reserve' ? (command.owner ?? []) : []))
  const transferIds = commands.flatMap(command => (isOfTransfer(command) ? command.id : []))
  const anywhere = commands.flatMap(command =>
    command.kind === 'reserve' ? command.lines.filter(line => line.location === undefined).map(line => line.sku) : [],
  )
  const isPlain = ids.length + owners.length + transferIds.length + anywhere.length === 0
  const [reservations, transfers, sources] = isPlain
    ? nothingBefore
    : // Sent together: statements of one connection are done in the order in which they are sent.
      await together([
        lockReservations(connection, ids, owners),
        lockTransfers(connection, transferIds),
        loadSources(connection, anywhere),
      ])
  const transferOf = new Map(transfers.map(transfer => [transfer.id, transfer]))
  const created = places(commands.flatMap(command => (isCreating(command) ? placesOf(command, transferOf) : [])))
  const wanted = places([
    ...commands.flatMap(command => placesOf(command, transferOf)),
    ...reservations.flatMap(({ lines }) => lines),
    ...[...sources].flatMap(([sku, locations]) => locations.map(({ location }) => ({ sku, location }))),
  ])
  const keys = batch.flatMap(({ idempotencyKey }) => idempotencyKey ?? [])
  // In this order: a repetition on another instance waits for the row's lock, and then sees the answer of the first.
  const [rows, remembered] = await together([
    wanted.length > 0 ? lockRows(connection, wanted) : nothing,
    keys.length > 0 ? readRemembered(connection, keys) : nothing,
  ])
  return { rows, reservations, transfers, sources, remembered, created }
}

type OfReservation = Extract<StockCommand, { kind: 'commit' | 'release' | 'return' | 'expire' | 'extend' }>
const ofReservation = new Set<StockCommand['kind']>(['commit', 'release', 'return', 'expire', 'extend'])
const isOfReservation = (command: StockCommand): command is OfReservation => ofReservation.has(command.kind)

type OfTransfer = Extract<StockCommand, { kind: 'transfer-receive' | 'transfer-cancel' }>
const isOfTransfer = (command: StockCommand): command is OfTransfer =>
  command.kind === 'transfer-receive' || command.kind === 'transfer-cancel'

/** A row comes into being with the first units that arrive, or with its first settings. */
const creating = new Set<StockCommand['kind']>(['receive', 'adjust', 'set', 'count', 'repair', 'settings', 'transfer-receive'])
const isCreating = (command: StockCommand): boolean => creating.has(command.kind)

/** The places that a command names itself; those of its reservation are known from there. */
function placesOf(command: StockCommand, transfers: ReadonlyMap<string, Transfer>): readonly Place[] {
  switch (command.kind) {
    case 'receive':
    case 'sell':
    case 'adjust':
    case 'count':
    case 'repair':
      return command.lines
    case 'set':
    case 'settings':
      return [command]
    case 'reserve':
      return command.lines.flatMap(({ sku, location }) => (location === undefined ? [] : { sku, location }))
    case 'transfer':
      return command.lines.map(({ sku }) => ({ sku, location: command.source }))
    case 'transfer-receive':
    case 'transfer-cancel': {
      const transfer = transfers.get(command.id)
      if (!transfer) return []
      const location = command.kind === 'transfer-cancel' ? transfer.source : transfer.destination
      return transfer.lines.map(({ sku }) => ({ sku, location }))
    }
    case 'commit':
    case 'release':
    case 'return':
    case 'expire':
    case 'extend':
      return []
  }
}

const keyOf = ({ sku, location }: Place): string => `${location} ${sku}`

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
         s.backorder_limit as "backorderLimit", s.capacity, s.version, s.settings_version as "settingsVersion"
  from unnest(${wanted.map(place => place.sku)}::text[], ${wanted.map(place => place.location)}::text[]) as wanted (sku, location)
  join stock s on s.sku = wanted.sku and s.location = wanted.location
  order by s.sku, s.location
  for update of s`

const readRemembered = (connection: Sql, keys: readonly string[]) => connection<Remembered[]>`
  select key, fingerprint, status, response from idempotency where key = any (${keys}::text[])`
