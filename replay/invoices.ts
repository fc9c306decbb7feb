import type { Row } from './rows.ts'
import { DAY } from './steps.ts'

export type Invoice = {
  readonly number: string
  /** The first of its timestamps: a few invoices straddle a minute. */
  readonly at: number
  readonly customer: string
  readonly rows: readonly Row[]
}

export type Selection = {
  /** first day, ms at midnight */
  readonly from?: number
  /** last day (included), ms at midnight */
  readonly to?: number
  /** the first so many invoices of the selected days */
  readonly limit?: number
}

/** Invoices in time order (ties in the file's order). Rows without an invoice number or a time cannot be placed and come back apart. */
export function groupInvoices(rows: readonly Row[]): { invoices: Invoice[]; unplaced: Row[] } {
  const byNumber = new Map<string, Row[]>()
  const unplaced: Row[] = []
  for (const row of rows) {
    if (!isInvoiceNumber(row.invoice) || Number.isNaN(row.at)) {
      unplaced.push(row)
      continue
    }
    const same = byNumber.get(row.invoice)
    if (same) same.push(row)
    else byNumber.set(row.invoice, [row])
  }
  const invoices = [...byNumber].map(([number, own]) => ({
    number,
    at: own.reduce((first, row) => Math.min(first, row.at), Number.POSITIVE_INFINITY),
    customer: own.find(row => row.customer !== '')?.customer ?? '',
    rows: own,
  }))
  return { invoices: invoices.sort((a, b) => a.at - b.at), unplaced }
}

/** The number becomes part of an idempotency key and of a reference, hence the narrow alphabet. */
export function isInvoiceNumber(text: string): boolean {
  return /^[A-Za-z0-9._-]{1,40}$/.test(text)
}

export function selectInvoices(invoices: readonly Invoice[], selection: Selection): Invoice[] {
  const { from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY, limit = Number.POSITIVE_INFINITY } = selection
  return invoices.filter(invoice => invoice.at >= from && invoice.at < to + DAY).slice(0, limit)
}

/** Rows that repeat another row of the invoice in every column. They stay: the retailer billed them twice. */
export function countDuplicates(invoice: Invoice): number {
  const distinct = new Set(invoice.rows.map(row => JSON.stringify(row)))
  return invoice.rows.length - distinct.size
}
