import { isFinal } from './final-states.ts'
import { accounted, raised } from './settle.ts'
import type { Snapshot } from './snapshot.ts'
import type { OwnOrder } from './tally.ts'
import type { Reconciliation } from './tidemark.ts'

export type InvariantName =
  | 'ledger equals totals'
  | 'reserved equals open reservations'
  | 'nothing oversold'
  | 'every order in a final state'
  | 'every event delivered'
  | 'nothing in dead letters'
  | 'nothing set aside'
  | 'stock agrees with what the client was told'
  | 'every alert told'

export type Evidence = {
  readonly before: Snapshot
  readonly after: Snapshot
  readonly reconciliation: Reconciliation
  readonly orders: readonly OwnOrder[]
  /** Accepted receipts, returns and adjustments, by SKU. */
  readonly moved: ReadonlyMap<string, number>
}
export type StockDifference = { sku: string; told: number; found: number }

export function judge(evidence: Evidence): Record<InvariantName, boolean> {
  const { before, after, reconciliation, orders } = evidence
  return {
    'ledger equals totals': reconciliation.drift.ledger.length === 0,
    'reserved equals open reservations': reconciliation.drift.reserved.length === 0,
    'nothing oversold': reconciliation.drift.oversold.length === 0 && after.stock.values().every(onHand => onHand >= 0),
    'every order in a final state': after.orders.final && orders.every(order => isFinal(order.state)),
    'every event delivered': after.backlog.drained,
    'nothing in dead letters': after.backlog.deadLetters <= before.backlog.deadLetters,
    'nothing set aside': setAside(after) <= setAside(before),
    'stock agrees with what the client was told': stockDifferences(evidence).length === 0,
    'every alert told':
      raised(before.alerts, after.alerts) <= accounted(after.mails) - accounted(before.mails) &&
      after.mails.failed <= before.mails.failed,
  }
}

/**
 * SKUs whose stock did not change by what the client was told: receipts, returns and adjustments that were accepted, less the units of
 * own orders that ended confirmed (a cancelled or rejected order takes nothing in the end). Assumes that nobody else trades meanwhile.
 */
export function stockDifferences({ before, after, orders, moved }: Evidence): StockDifference[] {
  const told = new Map(moved)
  for (const order of orders) {
    if (order.state !== 'confirmed') continue
    for (const { sku, quantity } of order.lines) told.set(sku, (told.get(sku) ?? 0) - quantity)
  }
  const skus = new Set([...told.keys(), ...before.stock.keys(), ...after.stock.keys()])
  return [...skus]
    .map(sku => ({ sku, told: told.get(sku) ?? 0, found: (after.stock.get(sku) ?? 0) - (before.stock.get(sku) ?? 0) }))
    .filter(({ told, found }) => told !== found)
}

function setAside(snapshot: Snapshot): number {
  return snapshot.backlog.outbox.reduce((sum, box) => sum + box.setAside, 0)
}
