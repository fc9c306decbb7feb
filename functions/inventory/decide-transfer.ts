import { Rejected } from '../../shared/errors.ts'
import type { Decision, Dispatch, StockCommand, StockState } from './decide.ts'
import { refuseOverfull, unpromised } from './decide-levels.ts'
import { Draft } from './draft.ts'
import { refuseShortages } from './shortage.ts'
import { summed } from './stock.ts'
import { inTransit, type SkuQuantity, type Transfer, type TransferLine } from './transfer.ts'

/** The units leave their shelf at once: until they arrive or come back they are nobody's to sell. */
export function dispatch(state: StockState, command: Dispatch, now: Date): Decision {
  const { id, source, destination, named } = command
  const draft = new Draft(state)
  const lines = at(source, command.lines)
  refuseShortages(lines.map(line => ({ ...line, available: unpromised(draft.row(line)) })))
  for (const line of lines) draft.move('transfer', line, -line.quantity, 0)
  return {
    movements: draft.movements,
    transfer: {
      ...{ id, state: 'in_transit', source, destination, reference: named ?? null, writeOffReason: null, createdAt: now },
      lines: lines.map(({ sku, quantity }) => ({ sku, quantity, received: 0, writtenOff: 0, cancelled: 0 })),
    },
  }
}

/** What arrives goes onto the shelf; the rest stays in transit, or is given up when somebody says why. */
export function receiveTransfer(state: StockState, command: Extract<StockCommand, { kind: 'transfer-receive' }>): Decision {
  const transfer = found(state, command.id)
  // Receiving everything again finds it done.
  if (transfer.state === 'received' && command.lines === undefined) return { movements: [], transfer }
  if (transfer.state !== 'in_transit') throw notInTransit(transfer)
  const draft = new Draft(state)
  const arrived = at(
    transfer.destination,
    command.lines ?? transfer.lines.map(line => ({ sku: line.sku, quantity: inTransit(line) })).filter(hasUnits),
  )
  refuseMore(transfer, arrived)
  refuseOverfull(draft, arrived)
  for (const line of arrived) draft.move('transfer-receive', line, line.quantity, 0)
  const lines = transfer.lines.map((line): TransferLine => {
    const received = line.received + (arrived.find(({ sku }) => sku === line.sku)?.quantity ?? 0)
    return { ...line, received, writtenOff: command.writeOff === undefined ? line.writtenOff : line.quantity - received }
  })
  return {
    movements: draft.movements,
    transfer: {
      ...transfer,
      state: lines.every(line => inTransit(line) === 0) ? 'received' : 'in_transit',
      writeOffReason: command.writeOff ?? transfer.writeOffReason,
      lines,
    },
  }
}

/** What has not arrived yet goes back to where it came from, room or not. */
export function cancelTransfer(state: StockState, id: string): Decision {
  const transfer = found(state, id)
  if (transfer.state === 'cancelled') return { movements: [], transfer }
  if (transfer.state !== 'in_transit') throw notInTransit(transfer)
  const draft = new Draft(state)
  for (const line of transfer.lines.filter(one => inTransit(one) > 0)) {
    draft.move('transfer-cancel', { sku: line.sku, location: transfer.source }, inTransit(line), 0)
  }
  const lines = transfer.lines.map(line => ({ ...line, cancelled: line.cancelled + inTransit(line) }))
  return { movements: draft.movements, transfer: { ...transfer, state: 'cancelled', lines } }
}

const at = (location: string, lines: readonly SkuQuantity[]) =>
  summed(
    lines.map(line => ({ ...line, location })),
    line => line.quantity,
  )

const hasUnits = (line: SkuQuantity): boolean => line.quantity > 0

function refuseMore(transfer: Transfer, arrived: readonly SkuQuantity[]): void {
  const onTheWay = (sku: string) => {
    const line = transfer.lines.find(one => one.sku === sku)
    return line ? inTransit(line) : 0
  }
  const over = arrived.filter(({ sku, quantity }) => quantity > onTheWay(sku))
  if (over.length === 0) return
  throw new Rejected('exceeds_outstanding', undefined, {
    lines: over.map(({ sku, quantity }) => ({ sku, requested: quantity, outstanding: onTheWay(sku) })),
  })
}

function found(state: StockState, id: string): Transfer {
  const transfer = state.transfer(id)
  if (!transfer) throw new Rejected('not_found', `There is no transfer ${id}.`)
  return transfer
}

const notInTransit = ({ state }: Transfer) => new Rejected('transfer_not_in_transit', `The transfer is ${state}.`, { state })
