import { Rejected } from '../../shared/errors.ts'
import type { Decision, StockCommand, StockState } from './decide.ts'
import { Draft } from './draft.ts'
import { refuseShortages } from './shortage.ts'
import {
  outstanding,
  type Reservation,
  type ReservationLine,
  type ReservationState,
  returnable,
  type StockLine,
  summed,
} from './stock.ts'

type Close = Extract<StockCommand, { kind: 'commit' | 'release' | 'return' | 'expire' }>

/** Where each closing leads when it takes the last of what is held. */
const ends = { commit: 'committed', release: 'released', expire: 'expired', return: 'returned' } as const satisfies Record<
  Close['kind'],
  ReservationState
>

export function closeReservation(state: StockState, command: Close, now: Date): Decision {
  const reservation = found(state, command.id)
  const { kind } = command
  // The same closing again finds it done: a repetition, not a fault.
  if (reservation.state === ends[kind] && command.lines === undefined) return { movements: [], reservation }
  const isOver = reservation.state === 'expired' || (reservation.state === 'open' && reservation.expiresAt <= now)
  if (kind === 'commit' && isOver) throw new Rejected('reservation_expired')
  if (kind === 'expire' && (reservation.state !== 'open' || !isOver)) return { movements: [], reservation }
  // What expired has already given its stock back.
  if (kind === 'release' && reservation.state === 'expired') return { movements: [], reservation }
  const draft = new Draft(state)
  if (kind === 'return') return giveBack(draft, reservation, command.lines)
  if (reservation.state !== 'open') throw notOpen(reservation)
  const lines = part(reservation, command.lines, outstanding)
  const changed = kind === 'commit' ? commit(draft, reservation, lines) : release(draft, reservation, lines, kind)
  return { movements: draft.movements, reservation: changed }
}

/** Never sooner than it already is. */
export function extend(state: StockState, command: Extract<StockCommand, { kind: 'extend' }>, now: Date): Decision {
  const reservation = found(state, command.id)
  if (reservation.state === 'expired' || (reservation.state === 'open' && reservation.expiresAt <= now)) {
    throw new Rejected('reservation_expired')
  }
  if (reservation.state !== 'open') throw notOpen(reservation)
  if (command.expiresAt <= reservation.expiresAt) return { movements: [], reservation }
  return { movements: [], reservation: { ...reservation, expiresAt: command.expiresAt } }
}

function commit(draft: Draft, reservation: Reservation, lines: readonly StockLine[]): Reservation {
  refuseShortages(lines.map(line => ({ ...line, available: draft.row(line).onHand })))
  for (const line of lines) draft.move('commit', line, -line.quantity, -line.quantity)
  return progressed(reservation, lines, 'committed', ends.commit)
}

/** Gives held units back, because they are not wanted any more or because their time is over. */
export function release(
  draft: Draft,
  reservation: Reservation,
  lines: readonly StockLine[],
  kind: 'release' | 'expire',
): Reservation {
  for (const line of lines) draft.move(kind, line, 0, -line.quantity)
  return progressed(reservation, lines, 'released', ends[kind])
}

/** What was committed can come back, in whatever way the rest went. */
function giveBack(draft: Draft, reservation: Reservation, given: readonly StockLine[] | undefined): Decision {
  const lines = part(reservation, given, returnable)
  if (lines.length === 0) throw notOpen(reservation)
  for (const line of lines) draft.move('return', line, line.quantity, 0)
  const changed = progressed(reservation, lines, 'returned', 'returned')
  const isWhole = reservation.state !== 'open' && changed.lines.every(line => returnable(line) === 0)
  return { movements: draft.movements, reservation: { ...changed, state: isWhole ? 'returned' : reservation.state } }
}

/** The reservation after some units of its lines have gone one way; `end` is its state when none is held any more. */
function progressed(
  reservation: Reservation,
  taken: readonly StockLine[],
  way: 'committed' | 'released' | 'returned',
  end: ReservationState,
): Reservation {
  const lines = reservation.lines.map(line => {
    const quantity = taken.find(one => isSamePlace(one, line))?.quantity
    return quantity === undefined ? line : { ...line, [way]: line[way] + quantity }
  })
  return { ...reservation, lines, state: lines.every(line => outstanding(line) === 0) ? end : 'open' }
}

export const outstandingAt = (reservation: Reservation, isWanted: (line: ReservationLine) => boolean): StockLine[] =>
  reservation.lines.filter(line => isWanted(line) && outstanding(line) > 0).map(line => unitsOf(line, outstanding(line)))

/** The units that a closing takes: those named, as far as there are that many, or all that are left. */
function part(
  reservation: Reservation,
  given: readonly StockLine[] | undefined,
  left: (line: ReservationLine) => number,
): StockLine[] {
  if (given === undefined) {
    return reservation.lines.filter(line => left(line) > 0).map(line => unitsOf(line, left(line)))
  }
  const wanted = summed(given, line => line.quantity)
  const leftOf = (line: StockLine) => {
    const held = reservation.lines.find(one => isSamePlace(one, line))
    return held ? left(held) : 0
  }
  const over = wanted.filter(line => line.quantity > leftOf(line))
  if (over.length === 0) return wanted
  throw new Rejected('exceeds_outstanding', undefined, {
    lines: over.map(({ sku, location, quantity }) => ({
      sku,
      location,
      requested: quantity,
      outstanding: leftOf({ sku, location, quantity }),
    })),
  })
}

const unitsOf = ({ sku, location }: StockLine, quantity: number): StockLine => ({ sku, location, quantity })
const isSamePlace = (a: StockLine, b: StockLine): boolean => a.sku === b.sku && a.location === b.location

function found(state: StockState, id: string): Reservation {
  const reservation = state.reservation(id)
  if (!reservation) throw new Rejected('not_found', `There is no reservation ${id}.`)
  return reservation
}

const notOpen = ({ state }: Reservation) => new Rejected('reservation_not_open', `The reservation is ${state}.`, { state })
