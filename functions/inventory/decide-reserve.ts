import type { Decision, Missing, Reserve, StockState } from './decide.ts'
import { outstandingAt, release } from './decide-close.ts'
import { Draft } from './draft.ts'
import { type Demand, insufficient } from './shortage.ts'
import { chooseSources, type Source, type Sourced, type Strategy } from './sources.ts'
import { available, freshLine, type Reservation, reservable, type StockLine, type StockRow, summed } from './stock.ts'
import type { SkuQuantity } from './transfer.ts'

/**
 * Promises units: all lines or none, or as much as there is when a part is wanted. The owner's older holds of the same SKUs are given
 * back first, so that nobody is blocked by the own basket; when the new hold is refused they stay.
 */
export function reserve(state: StockState, command: Reserve, reference: string | null, now: Date): Decision {
  const draft = new Draft(state)
  const replaced = replaceHolds(state, draft, command, now)
  const named = summed(
    command.lines.filter((line): line is StockLine => line.location !== undefined),
    line => line.quantity,
  )
  const demands: Demand[] = []
  const taken: StockLine[] = []
  for (const line of named) {
    const there = reservable(draft.row(line))
    const quantity = Math.min(line.quantity, there)
    if (quantity > 0) taken.push({ ...line, quantity })
    if (quantity > 0) draft.move('reserve', line, 0, quantity)
    if (quantity < line.quantity) demands.push({ ...line, available: there })
  }
  const anywhere = quantities(command.lines.filter(line => line.location === undefined))
  if (anywhere.length > 0) {
    const sourced = source(state, draft, anywhere, command.strategy ?? 'priority')
    for (const line of sourced.lines) draft.move('reserve', line, 0, line.quantity)
    taken.push(...sourced.lines)
    for (const { sku, quantity: short } of sourced.missing) {
      const quantity = anywhere.find(line => line.sku === sku)?.quantity ?? short
      demands.push({ sku, quantity, available: quantity - short })
    }
  }
  if (demands.length > 0 && (!command.partial || taken.length === 0)) throw insufficient(demands)
  return {
    movements: draft.movements,
    reservation: {
      id: command.id,
      state: 'open',
      reference,
      owner: command.owner ?? null,
      expiresAt: command.expiresAt,
      lines: summed(taken, line => line.quantity).map(freshLine),
    },
    ...(replaced.length > 0 && { replaced }),
    ...(command.partial && { missing: demands.map(missing) }),
  }
}

const missing = ({ sku, location, quantity, available: there }: Demand): Missing => ({
  ...{ sku, quantity: quantity - there },
  ...(location !== undefined && { location }),
})

function replaceHolds(state: StockState, draft: Draft, { owner, lines }: Reserve, now: Date): Reservation[] {
  if (owner === undefined) return []
  const skus = new Set(lines.map(line => line.sku))
  return state.holdsOf(owner).flatMap(hold => {
    const held = outstandingAt(hold, line => skus.has(line.sku))
    return held.length > 0 ? [release(draft, hold, held, hold.expiresAt <= now ? 'expire' : 'release')] : []
  })
}

/** What lies on shelves comes first; only when that is not enough, what may be sold before it arrives counts too. */
function source(state: StockState, draft: Draft, wanted: readonly SkuQuantity[], strategy: Strategy): Sourced {
  const sources = (amount: (row: StockRow) => number): Source[] =>
    wanted.flatMap(({ sku }) =>
      state.sourcesOf(sku).map(one => ({ ...one, sku, available: amount(draft.row({ sku, location: one.location })) })),
    )
  const fromShelves = chooseSources(wanted, sources(available), strategy)
  return fromShelves.missing.length === 0 ? fromShelves : chooseSources(wanted, sources(reservable), strategy)
}

function quantities(lines: readonly SkuQuantity[]): SkuQuantity[] {
  const sums = new Map<string, number>()
  for (const { sku, quantity } of lines) sums.set(sku, (sums.get(sku) ?? 0) + quantity)
  return [...sums].map(([sku, quantity]) => ({ sku, quantity }))
}
