import { Rejected } from '../../shared/errors.ts'
import type { CorrectedLine, Decision, DeltaLine, Movement, StockCommand, StockState } from './decide.ts'
import { Draft } from './draft.ts'
import { refuseShortages } from './shortage.ts'
import { type StockLine, type StockRow, summed } from './stock.ts'

/** What is delivered must have room. What comes back or was counted is there already, room or not. */
export function receive(state: StockState, given: readonly StockLine[]): Decision {
  const draft = new Draft(state)
  const lines = summed(given, line => line.quantity)
  refuseOverfull(draft, lines)
  for (const line of lines) draft.move('receive', line, line.quantity, 0)
  return { movements: draft.movements }
}

export function refuseOverfull(draft: Draft, lines: readonly StockLine[]): void {
  const over = lines.filter(line => {
    const { onHand, capacity } = draft.row(line)
    return capacity !== null && onHand + line.quantity > capacity
  })
  if (over.length === 0) return
  throw new Rejected('capacity_exceeded', undefined, {
    lines: over.map(line => {
      const { onHand, capacity } = draft.row(line)
      return { sku: line.sku, location: line.location, quantity: line.quantity, room: Math.max((capacity ?? 0) - onHand, 0) }
    }),
  })
}

/** Over the counter the units are in the customer's hand: the safety stock may go, what is promised to others may not. */
export function sell(state: StockState, given: readonly StockLine[]): Decision {
  const draft = new Draft(state)
  const lines = summed(given, line => line.quantity)
  refuseShortages(lines.map(line => ({ ...line, available: unpromised(draft.row(line)) })))
  for (const line of lines) draft.move('sell', line, -line.quantity, 0)
  return { movements: draft.movements }
}

export const adjust = (state: StockState, lines: readonly DeltaLine[]): Decision => shift(state, 'adjust', lines)
export const count = (state: StockState, lines: readonly DeltaLine[]): Decision => shift(state, 'count', lines)

/** Stock that is promised cannot be adjusted away: the reservation would become a lie. */
function shift(state: StockState, kind: Movement['kind'], given: readonly DeltaLine[]): Decision {
  const draft = new Draft(state)
  const deltas = summed(given, line => line.delta).filter(line => line.quantity !== 0)
  const taken = deltas.filter(line => line.quantity < 0)
  refuseShortages(taken.map(line => ({ ...line, quantity: -line.quantity, available: unpromised(draft.row(line)) })))
  for (const line of deltas) draft.move(kind, line, line.quantity, 0)
  return { movements: draft.movements }
}

/** Makes totals true again, promised or not: only what could not be stored is refused. */
export function repair(state: StockState, lines: readonly CorrectedLine[]): Decision {
  const draft = new Draft(state)
  for (const line of lines) {
    const { delta, reservedDelta = 0, drift = { onHand: 0, reserved: 0 } } = line
    const row = draft.row(line)
    const onHand = row.onHand + delta - drift.onHand
    const reserved = row.reserved + reservedDelta - drift.reserved
    draft.move('repair', line, delta, reservedDelta, { onHand, reserved })
  }
  const impossible = lines
    .map(line => draft.row(line))
    .filter(row => row.onHand < 0 || row.reserved < 0 || row.reserved > row.onHand + row.backorderLimit)
  refuseShortages(
    impossible.map(({ sku, location, onHand, reserved }) => ({
      ...{ sku, location, quantity: reserved, available: Math.min(onHand, reserved - 1) },
    })),
  )
  return { movements: draft.movements }
}

export function set(state: StockState, command: Extract<StockCommand, { kind: 'set' }>): Decision {
  const draft = new Draft(state)
  const row = draft.row(command)
  refuseStale(row.version, command.ifMatch)
  const delta = command.onHand - row.onHand
  if (delta === 0) return { movements: [], unmoved: row }
  refuseShortages([{ ...command, quantity: -delta, available: unpromised(row) }])
  draft.move('set', command, delta, 0)
  return { movements: draft.movements }
}

/** Moves no units, but what is available changes with it: it is a movement so that the row's version tells everybody. */
export function settings(state: StockState, command: Extract<StockCommand, { kind: 'settings' }>): Decision {
  const draft = new Draft(state)
  const row = draft.row(command)
  const { safetyStock, backorderLimit, capacity, ifMatch } = command
  if (ifMatch !== undefined) refuseStale(row.settingsVersion, ifMatch)
  if (row.safetyStock === safetyStock && row.backorderLimit === backorderLimit && row.capacity === capacity) {
    return { movements: [], unmoved: row }
  }
  if (row.reserved > row.onHand + backorderLimit) {
    throw new Rejected('limit_in_use', undefined, { backorderLimit: row.reserved - row.onHand })
  }
  const settingsVersion = row.settingsVersion + 1
  draft.move('settings', command, 0, 0, { safetyStock, backorderLimit, capacity, settingsVersion })
  return { movements: draft.movements }
}

function refuseStale(version: number, ifMatch: number): void {
  if (version !== ifMatch) throw new Rejected('version_mismatch', `The version is ${version}.`, { version })
}

/** Units that can leave the shelf without breaking a promise; never more than are on it, whatever may be sold before it arrives. */
export const unpromised = (row: StockRow): number => Math.min(row.onHand, row.onHand + row.backorderLimit - row.reserved)
