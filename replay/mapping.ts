import { CancellableOrders } from './cancellations.ts'
import { countDuplicates, type Invoice } from './invoices.ts'
import { readCode, toPence } from './products.ts'
import type { Row } from './rows.ts'
import type { AdjustmentReason, RecordedStep } from './steps.ts'

export type MappedTo = RecordedStep['kind']
export type Unmapped =
  | 'no-invoice'
  | 'no-date'
  | 'no-code'
  | 'unreadable-code'
  | 'unreadable-number'
  | 'zero-quantity'
  | 'bad-debt'
  | 'negative-price'
  | 'negative-sale'
  | 'positive-credit'
  | 'over-5000-lines'
  | `not-a-product:${string}`

/** What became of every row, each counted once: total = the sum of mapped + the sum of unmapped. */
export type RowAccount = {
  total: number
  mapped: Record<MappedTo, number>
  unmapped: Record<string, number>
  /** Of the total: rows equal in every column to another of their invoice. */
  duplicates: number
}

/** The API's bound on an order; the real file's longest has about 1,100. */
const MOST_LINES = 5000

/**
 * Invoices (in time order) to steps.
 *
 * An ordinary invoice is one order with all its lines. One whose rows all have price 0 and no customer is a stock adjustment; a free row
 * beside sold ones is a gift that leaves with the order. A `C…` invoice cancels an order that it mirrors exactly, and is otherwise a
 * return. A return is sent even if the system never sold the goods because their order was short: a shop takes them back all the same.
 */
export function mapInvoices(
  invoices: readonly Invoice[],
  unplaced: readonly Row[] = [],
): { steps: RecordedStep[]; rows: RowAccount } {
  const rows: RowAccount = {
    total: 0,
    mapped: { order: 0, cancellation: 0, return: 0, adjustment: 0 },
    unmapped: {},
    duplicates: 0,
  }
  const refuse = (reason: Unmapped, count: number) => {
    rows.unmapped[reason] = (rows.unmapped[reason] ?? 0) + count
  }
  rows.total += unplaced.length
  for (const row of unplaced) refuse(row.invoice === '' || !Number.isNaN(row.at) ? 'no-invoice' : 'no-date', 1)

  const cancellable = new CancellableOrders()
  const steps: RecordedStep[] = []
  for (const invoice of invoices) {
    rows.total += invoice.rows.length
    rows.duplicates += countDuplicates(invoice)
    const sort = sortOf(invoice)
    const goods: Goods[] = []
    for (const row of invoice.rows) {
      const read = readGoods(row, sort)
      if ('refused' in read) refuse(read.refused, 1)
      else goods.push(read)
    }
    if (goods.length === 0) continue
    if (goods.length > MOST_LINES) {
      refuse('over-5000-lines', goods.length)
      continue
    }
    const step = mapGoods(invoice, sort, goods, cancellable)
    rows.mapped[step.kind] += goods.length
    steps.push(step)
  }
  return { steps, rows }
}

type Sort = 'credit' | 'unsold' | 'sale'
type Goods = { readonly sku: string; readonly row: Row }

/** Judged on all rows: some shop orders have free goods and bill the whole on a postage or manual line. */
function sortOf(invoice: Invoice): Sort {
  if (/^C/i.test(invoice.number)) return 'credit'
  return invoice.rows.every(row => row.price === 0 && row.customer === '') ? 'unsold' : 'sale'
}

function readGoods(row: Row, sort: Sort): Goods | { refused: Unmapped } {
  // Adjusted debt comes first: its `A…` invoices have a code of their own and a negative price.
  if (/^A/i.test(row.invoice)) return { refused: 'bad-debt' }
  const code = readCode(row.code)
  if ('refused' in code) return code
  if (!Number.isSafeInteger(row.quantity) || !Number.isFinite(row.price)) return { refused: 'unreadable-number' }
  if (row.quantity === 0) return { refused: 'zero-quantity' }
  if (row.price < 0) return { refused: 'negative-price' }
  if (sort === 'credit' && row.quantity > 0) return { refused: 'positive-credit' }
  if (sort === 'sale' && row.quantity < 0) return { refused: 'negative-sale' }
  return { sku: code.sku, row }
}

function mapGoods(invoice: Invoice, sort: Sort, goods: readonly Goods[], cancellable: CancellableOrders): RecordedStep {
  const { number: id, at, customer } = invoice
  if (sort === 'credit') {
    const lines = goods.map(({ sku, row }) => ({ sku, quantity: -row.quantity }))
    const order = cancellable.take(invoice, lines)
    return order === undefined ? { kind: 'return', id, at, lines } : { kind: 'cancellation', id, at, order, lines }
  }
  if (sort === 'unsold') {
    const lines = goods.map(({ sku, row }) => ({ sku, delta: row.quantity }))
    return { kind: 'adjustment', id, at, reason: adjustmentReason(goods.map(({ row }) => row)), lines }
  }
  const lines = goods.map(({ sku, row }) => ({ sku, quantity: row.quantity, unitPrice: toPence(row.price) }))
  cancellable.add({ id, at, customer }, lines)
  return { kind: 'order', id, at, customer, lines }
}

/** The clerk's note is the only hint. Read from the first row that has one; an upper-case product name hints at nothing. */
export function adjustmentReason(rows: readonly Row[]): AdjustmentReason {
  const note = rows.find(row => row.description !== '')?.description.toLowerCase() ?? ''
  if (/damag|dagam|wet|rust|smash|broke|crush|mould|crack|faulty|unsale/.test(note)) return 'damage'
  if (/lost|missing|mia|thrown|stolen|throw away/.test(note)) return 'loss'
  if (/found/.test(note)) return 'found'
  if (/check|count|\?|stock/.test(note)) return 'count'
  return 'other'
}
