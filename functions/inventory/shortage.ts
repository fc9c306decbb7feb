import { Rejected } from '../../shared/errors.ts'

export interface Demand {
  readonly sku: string
  /** Absent when any location would do. */
  readonly location?: string
  readonly quantity: number
  readonly available: number
}

/** Refuses when any line wants more than there is, and names every one that does. */
export function refuseShortages(lines: readonly Demand[]): void {
  const short = lines.filter(line => line.quantity > line.available)
  if (short.length > 0) throw insufficient(short)
}

export const insufficient = (short: readonly Demand[]): Rejected =>
  new Rejected('insufficient_stock', undefined, {
    shortages: short.map(({ sku, location, quantity, available }) => ({
      sku,
      ...(location !== undefined && { location }),
      requested: quantity,
      available: Math.max(available, 0),
    })),
  })
