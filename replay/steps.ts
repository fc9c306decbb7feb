/** What the replay does, one step a call (or a few for long receipts), in the retailer's own time. */

export type OrderLine = { readonly sku: string; readonly quantity: number /** pence */; readonly unitPrice: number }
export type StockLine = { readonly sku: string; readonly quantity: number }
export type AdjustmentLine = { readonly sku: string; readonly delta: number }
export type AdjustmentReason = 'damage' | 'loss' | 'found' | 'count' | 'other'

/** `id` is the invoice (or the derived receipt's own name): stable between runs, so it can be part of the idempotency key. */
type At = { readonly id: string /** UK local time as the file has it, read as UTC, in ms */; readonly at: number }

export type OrderStep = At & { readonly kind: 'order'; readonly customer: string; readonly lines: readonly OrderLine[] }
export type CancellationStep = At & {
  readonly kind: 'cancellation'
  readonly order: string
  readonly lines: readonly StockLine[]
}
export type ReturnStep = At & { readonly kind: 'return'; readonly lines: readonly StockLine[] }
export type AdjustmentStep = At & {
  readonly kind: 'adjustment'
  readonly reason: AdjustmentReason
  readonly lines: readonly AdjustmentLine[]
}

/** From the file. */
export type RecordedStep = OrderStep | CancellationStep | ReturnStep | AdjustmentStep

/** Not in the file: derived from it (see plan.ts), and labelled so in every reference. */
export type DerivedReceiptStep = At & {
  readonly kind: 'opening' | 'delivery'
  readonly reference: string
  readonly lines: readonly StockLine[]
}
export type ThresholdStep = At & { readonly kind: 'thresholds'; readonly levels: readonly { sku: string; level: number }[] }
export type DerivedStep = DerivedReceiptStep | ThresholdStep

export type Step = RecordedStep | DerivedStep

export const DAY = 24 * 60 * 60 * 1000
export const WEEK = 7 * DAY

/** Units a SKU, its lines added up. */
export function totals(all: readonly StockLine[]): Map<string, number> {
  const units = new Map<string, number>()
  for (const { sku, quantity } of all) units.set(sku, (units.get(sku) ?? 0) + quantity)
  return units
}

/** `2011-01-03` */
export const isoDay = (at: number) => new Date(at).toISOString().slice(0, 10)
