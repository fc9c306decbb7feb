import {
  type DerivedReceiptStep,
  isoDay,
  type RecordedStep,
  type Step,
  type StockLine,
  type ThresholdStep,
  totals,
  WEEK,
} from './steps.ts'
import { StockBook } from './stock-book.ts'
import { TrailingDemand, weekOf } from './trailing-demand.ts'

/**
 * DERIVED, not recorded: the retailer's file has no opening stock and no supplier deliveries. They are made here from the recorded sales
 * alone, always the same for the same file, so that stock runs low, some orders are short and deliveries mend it:
 *
 * - opening stock: what the SKU sold in the four weeks from its own first sale, half as much again, and at least its biggest order then;
 * - each Monday at 00:00, a SKU whose stock is under its reorder point is topped up. The point is three mean weeks of the six weeks
 *   before, or one and a half of their biggest order; the top is six mean weeks, or three of the biggest order. No lead time;
 * - threshold: one mean week over the SKU's whole time in the file, at least 1.
 *
 * On the real file (December 2010 to September 2011) one order in fourteen is then short; two weeks and five made it one in seven.
 */
const OPENING_WEEKS = 4
const OPENING_FACTOR = 1.5
const REORDER_BELOW_WEEKS = 3
const TOP_UP_TO_WEEKS = 6
const REORDER_BELOW_BIGGEST = 1.5
const TOP_UP_TO_BIGGEST = 3
/** The API takes 5,000 lines a call; shorter receipts hold their rows' locks for less time. */
const RECEIPT_LINES = 1000

export type DerivedPlan = {
  readonly opening: readonly DerivedReceiptStep[]
  readonly thresholds: readonly ThresholdStep[]
  readonly deliveries: readonly DerivedReceiptStep[]
}

export function derivePlan(recorded: readonly RecordedStep[]): DerivedPlan {
  const start = recorded[0]?.at ?? 0
  const end = recorded.at(-1)?.at ?? 0
  const cancelled = new Set(recorded.flatMap(step => (step.kind === 'cancellation' ? [step.order] : [])))
  const kept = recorded.filter(step => step.kind === 'order' && !cancelled.has(step.id))
  const sales = salesBySku(kept)

  const opening = lines(new Map([...sales].map(([sku, own]) => [sku, openingStock(own)])))
  const levels = [...sales].map(([sku, own]) => ({ sku, level: threshold(own, end) })).sort((a, b) => compare(a.sku, b.sku))
  return {
    opening: receipts('opening', start, 'derived:opening', opening),
    thresholds: chunks(levels).map((chunk, index) => ({
      kind: 'thresholds',
      id: `thresholds-${index + 1}`,
      at: start,
      levels: chunk,
    })),
    deliveries: planDeliveries(recorded, opening),
  }
}

/** Everything in the order in which it is to happen; a delivery comes before the first sale of its Monday. */
export function mergePlan(recorded: readonly RecordedStep[], plan: DerivedPlan): Step[] {
  const steps: Step[] = [...plan.opening, ...plan.thresholds]
  let next = 0
  for (const step of recorded) {
    for (let due = plan.deliveries[next]; due && due.at <= step.at; due = plan.deliveries[++next]) steps.push(due)
    steps.push(step)
  }
  return steps
}

type Sale = { readonly at: number; readonly units: number }

function salesBySku(orders: readonly RecordedStep[]): Map<string, Sale[]> {
  const sales = new Map<string, Sale[]>()
  for (const order of orders) {
    if (order.kind !== 'order') continue
    for (const [sku, units] of totals(order.lines)) {
      const own = sales.get(sku)
      if (own) own.push({ at: order.at, units })
      else sales.set(sku, [{ at: order.at, units }])
    }
  }
  return sales
}

function openingStock(sales: readonly Sale[]): number {
  const until = (sales[0]?.at ?? 0) + OPENING_WEEKS * WEEK
  const first = sales.filter(sale => sale.at < until)
  const units = first.reduce((sum, sale) => sum + sale.units, 0)
  return Math.max(Math.ceil(units * OPENING_FACTOR), ...first.map(sale => sale.units))
}

function threshold(sales: readonly Sale[], end: number): number {
  const weeks = Math.max(1, (end - (sales[0]?.at ?? end)) / WEEK)
  const units = sales.reduce((sum, sale) => sum + sale.units, 0)
  return Math.max(1, Math.round(units / weeks))
}

/** Walks the file once as the shop would have lived it: a Monday knows only what came before. */
function planDeliveries(recorded: readonly RecordedStep[], opening: readonly StockLine[]): DerivedReceiptStep[] {
  const book = new StockBook()
  book.receive(opening)
  const demand = new TrailingDemand()
  const deliveries: DerivedReceiptStep[] = []
  let week = weekOf(recorded[0]?.at ?? 0)
  for (const step of recorded) {
    while (weekOf(step.at) > week) {
      week += 1
      const due = topUp(book, demand, week)
      book.receive(due)
      deliveries.push(...receipts('delivery', demand.mondayOf(week), `derived:delivery:${isoDay(demand.mondayOf(week))}`, due))
    }
    demand.record(step)
    book.apply(step)
  }
  return deliveries
}

function topUp(book: StockBook, demand: TrailingDemand, week: number): StockLine[] {
  const due = new Map<string, number>()
  for (const [sku, { perWeek, biggest }] of demand.before(week)) {
    const stock = book.onHand(sku)
    if (stock >= Math.max(REORDER_BELOW_WEEKS * perWeek, REORDER_BELOW_BIGGEST * biggest)) continue
    due.set(sku, Math.ceil(Math.max(TOP_UP_TO_WEEKS * perWeek, TOP_UP_TO_BIGGEST * biggest)) - stock)
  }
  return lines(due)
}

function receipts(kind: 'opening' | 'delivery', at: number, reference: string, all: readonly StockLine[]): DerivedReceiptStep[] {
  return chunks(all).map((chunk, index) => ({
    kind,
    id: `${reference.slice('derived:'.length)}-${index + 1}`,
    at,
    reference,
    lines: chunk,
  }))
}

function chunks<T>(all: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(all.length / RECEIPT_LINES) }, (_, index) =>
    all.slice(index * RECEIPT_LINES, (index + 1) * RECEIPT_LINES),
  )
}

/** Sorted by SKU: the same file gives the same calls. */
function lines(units: ReadonlyMap<string, number>): StockLine[] {
  return [...units].map(([sku, quantity]) => ({ sku, quantity })).sort((a, b) => compare(a.sku, b.sku))
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
