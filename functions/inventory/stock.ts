import { z } from 'zod'
import { Count, DefaultedLocation, Delta, Id, Location, lines, Quantity, Sku, Timestamp } from '../../shared/fields.ts'

/** A row of totals. */
export interface StockRow {
  readonly sku: string
  readonly location: string
  readonly onHand: number
  readonly reserved: number
  readonly safetyStock: number
  readonly backorderLimit: number
  /** Counts the changes of this row; 0 for one that never was. */
  readonly version: number
}

export type ReservationState = 'open' | 'committed' | 'released' | 'expired' | 'returned'

export interface StockLine {
  readonly sku: string
  readonly location: string
  readonly quantity: number
}

export interface Reservation {
  readonly id: string
  readonly state: ReservationState
  readonly reference: string | null
  readonly expiresAt: Date
  readonly lines: readonly StockLine[]
}

export const available = (row: StockRow): number => row.onHand - row.reserved - row.safetyStock

/** What a reservation can still take: what is available, and what may be sold before it arrives. */
export const reservable = (row: StockRow): number => Math.max(available(row) + row.backorderLimit, 0)

export const emptyRow = (sku: string, location: string): StockRow => ({
  sku,
  location,
  onHand: 0,
  reserved: 0,
  safetyStock: 0,
  backorderLimit: 0,
  version: 0,
})

/** The same place on the shelf named by several lines counts as one with their sum. */
export function summed<L extends { sku: string; location: string }>(
  given: readonly L[],
  amount: (line: L) => number,
): { sku: string; location: string; quantity: number }[] {
  const sums = new Map<string, { sku: string; location: string; quantity: number }>()
  for (const line of given) {
    const key = `${line.location} ${line.sku}`
    const sum = sums.get(key)
    if (sum) sum.quantity += amount(line)
    else sums.set(key, { sku: line.sku, location: line.location, quantity: amount(line) })
  }
  return [...sums.values()]
}

// What the API shows.

export const StockLevel = z
  .object({
    sku: Sku,
    location: Location,
    onHand: Count.meta({ description: 'Units on the shelf.' }),
    reserved: Count.meta({ description: 'Units promised to open reservations.' }),
    available: z.int().meta({ description: 'onHand − reserved − safety stock.' }),
    version: Count.meta({ description: 'Counts the changes of this row; its ETag.' }),
  })
  .meta({ id: 'StockLevel', example: { sku: '85123A', location: 'main', onHand: 120, reserved: 6, available: 114, version: 17 } })

export const StockLevels = z.object({ levels: z.array(StockLevel) }).meta({ id: 'StockLevels' })

export const levelOf = (row: StockRow): z.output<typeof StockLevel> => ({
  sku: row.sku,
  location: row.location,
  onHand: row.onHand,
  reserved: row.reserved,
  available: available(row),
  version: row.version,
})

export const ReservationBody = z
  .object({
    id: Id,
    state: z.enum(['open', 'committed', 'released', 'expired', 'returned']),
    reference: z.string().nullable(),
    expiresAt: Timestamp,
    lines: z.array(z.object({ sku: Sku, location: Location, quantity: Quantity })),
  })
  .meta({ id: 'Reservation' })

export const reservationBody = (reservation: Reservation): z.output<typeof ReservationBody> => ({
  id: reservation.id,
  state: reservation.state,
  reference: reservation.reference,
  expiresAt: reservation.expiresAt.toISOString(),
  lines: reservation.lines.map(({ sku, location, quantity }) => ({ sku, location, quantity })),
})

export const QuantityLine = z.strictObject({ sku: Sku, location: DefaultedLocation, quantity: Quantity })
export const QuantityLines = lines(QuantityLine)
export const DeltaLines = lines(z.strictObject({ sku: Sku, location: DefaultedLocation, delta: Delta }))
