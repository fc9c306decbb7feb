import { Rejected } from '../../shared/errors.ts'
import { emptyRow, type Reservation, type ReservationState, reservable, type StockLine, type StockRow, summed } from './stock.ts'

/** What somebody wants to happen to stock. Ids and times come in as values. */
export type StockCommand = Origin &
  (
    | { kind: 'receive'; lines: readonly StockLine[]; reason: string }
    | { kind: 'adjust'; lines: readonly { sku: string; location: string; delta: number }[]; reason: string }
    | { kind: 'set'; sku: string; location: string; onHand: number; ifMatch: number; reason: string }
    | { kind: 'reserve'; id: string; lines: readonly StockLine[]; expiresAt: Date }
    | { kind: 'commit' | 'release' | 'return' | 'expire'; id: string }
  )

interface Origin {
  readonly reference?: string | undefined
  readonly actor: string
}

/** The rows and reservations that a batch has locked, as the commands before this one left them. */
export interface StockState {
  row(sku: string, location: string): StockRow | undefined
  reservation(id: string): Reservation | undefined
}

/** One entry of the ledger. `row` is the total after it. */
export interface Movement {
  readonly kind: StockCommand['kind']
  readonly onHandDelta: number
  readonly reservedDelta: number
  readonly row: StockRow
}

/** What a command changes: nothing is half done. */
export interface Decision {
  readonly movements: readonly Movement[]
  readonly reservation?: Reservation
  /** The row that was looked at, when nothing had to move. */
  readonly unmoved?: StockRow
}

/** The rule of every stock operation. Throws Rejected when the command cannot be done as a whole. */
export function decide(state: StockState, command: StockCommand, now: Date): Decision {
  switch (command.kind) {
    case 'receive':
      return {
        movements: summed(command.lines, line => line.quantity).map(line => move(state, command.kind, line, line.quantity, 0)),
      }
    case 'adjust':
      return adjust(state, command.lines)
    case 'set':
      return set(state, command)
    case 'reserve':
      return reserve(state, command)
    case 'commit':
    case 'release':
    case 'return':
    case 'expire':
      return close(state, command.kind, command.id, now)
  }
}

function reserve(state: StockState, command: Extract<StockCommand, { kind: 'reserve' }>): Decision {
  const wanted = summed(command.lines, line => line.quantity)
  refuseShortages(wanted.map(line => ({ ...line, available: reservable(rowOf(state, line)) })))
  return {
    movements: wanted.map(line => move(state, 'reserve', line, 0, line.quantity)),
    reservation: {
      id: command.id,
      state: 'open',
      reference: command.reference ?? null,
      expiresAt: command.expiresAt,
      lines: wanted,
    },
  }
}

/** Stock that is promised cannot be adjusted away: the reservation would become a lie. */
function adjust(state: StockState, given: Extract<StockCommand, { kind: 'adjust' }>['lines']): Decision {
  const deltas = summed(given, line => line.delta).filter(line => line.quantity !== 0)
  const taken = deltas.filter(line => line.quantity < 0)
  refuseShortages(taken.map(line => ({ ...line, quantity: -line.quantity, available: unpromised(rowOf(state, line)) })))
  return { movements: deltas.map(line => move(state, 'adjust', line, line.quantity, 0)) }
}

function set(state: StockState, command: Extract<StockCommand, { kind: 'set' }>): Decision {
  const row = rowOf(state, command)
  if (row.version !== command.ifMatch) {
    throw new Rejected('version_mismatch', `The version is ${row.version}.`, { version: row.version })
  }
  const delta = command.onHand - row.onHand
  if (delta === 0) return { movements: [], unmoved: row }
  refuseShortages([{ ...command, quantity: -delta, available: unpromised(row) }])
  return { movements: [move(state, 'set', command, delta, 0)] }
}

/** The state that each closing leads to, and the one that it starts from. */
const closings = {
  commit: { from: 'open', to: 'committed' },
  release: { from: 'open', to: 'released' },
  expire: { from: 'open', to: 'expired' },
  return: { from: 'committed', to: 'returned' },
} as const satisfies Record<string, { from: ReservationState; to: ReservationState }>

function close(state: StockState, kind: keyof typeof closings, id: string, now: Date): Decision {
  const reservation = state.reservation(id)
  if (!reservation) throw new Rejected('not_found', `There is no reservation ${id}.`)
  const { from, to } = closings[kind]
  // The same closing again finds it done: a repetition, not a fault.
  if (reservation.state === to) return { movements: [], reservation }
  if (kind === 'commit' && (reservation.state === 'expired' || (reservation.state === 'open' && reservation.expiresAt <= now))) {
    throw new Rejected('reservation_expired')
  }
  if (kind === 'expire' && (reservation.state !== 'open' || reservation.expiresAt > now)) return { movements: [], reservation }
  // What expired has already given its stock back.
  if (kind === 'release' && reservation.state === 'expired') return { movements: [], reservation }
  if (reservation.state !== from) {
    throw new Rejected('reservation_not_open', `The reservation is ${reservation.state}.`, { state: reservation.state })
  }
  if (kind === 'commit') {
    refuseShortages(reservation.lines.map(line => ({ ...line, available: rowOf(state, line).onHand })))
  }
  const onHandSign = kind === 'commit' ? -1 : kind === 'return' ? 1 : 0
  const reservedSign = kind === 'return' ? 0 : -1
  return {
    movements: reservation.lines.map(line => move(state, kind, line, onHandSign * line.quantity, reservedSign * line.quantity)),
    reservation: { ...reservation, state: to },
  }
}

function refuseShortages(lines: readonly { sku: string; location: string; quantity: number; available: number }[]): void {
  const short = lines.filter(line => line.quantity > line.available)
  if (short.length === 0) return
  throw new Rejected('insufficient_stock', undefined, {
    shortages: short.map(line => ({
      sku: line.sku,
      location: line.location,
      requested: line.quantity,
      available: Math.max(line.available, 0),
    })),
  })
}

/** Units that can leave the shelf without breaking a promise; never more than are on it, whatever may be sold before it arrives. */
const unpromised = (row: StockRow): number => Math.min(row.onHand, row.onHand + row.backorderLimit - row.reserved)

const rowOf = (state: StockState, place: { sku: string; location: string }): StockRow =>
  state.row(place.sku, place.location) ?? emptyRow(place.sku, place.location)

function move(
  state: StockState,
  kind: Movement['kind'],
  place: { sku: string; location: string },
  onHandDelta: number,
  reservedDelta: number,
): Movement {
  const row = rowOf(state, place)
  return {
    kind,
    onHandDelta,
    reservedDelta,
    row: { ...row, onHand: row.onHand + onHandDelta, reserved: row.reserved + reservedDelta, version: row.version + 1 },
  }
}
