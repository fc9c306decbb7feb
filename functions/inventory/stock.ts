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
  /** Units that there is room for. Deliveries keep to it; a count says what is there all the same. */
  readonly capacity: number | null
  /** Counts the changes of this row; 0 for one that never was. */
  readonly version: number
  /** Counts the changes of its settings only: who edits them is not disturbed by every sale. */
  readonly settingsVersion: number
}

export type ReservationState = 'open' | 'committed' | 'released' | 'expired' | 'returned'

export interface StockLine {
  readonly sku: string
  readonly location: string
  readonly quantity: number
}

/** How far a line has come: what is neither committed nor released is still held. */
export interface ReservationLine extends StockLine {
  readonly committed: number
  readonly released: number
  /** Of the committed units, those that came back. */
  readonly returned: number
}

export interface Reservation {
  readonly id: string
  /** How its last units went; open while some are held. */
  readonly state: ReservationState
  readonly reference: string | null
  /** Whose hold it is: a shopper's newer hold of the same SKUs takes its place. */
  readonly owner: string | null
  readonly expiresAt: Date
  readonly lines: readonly ReservationLine[]
}

export const freshLine = (line: StockLine): ReservationLine => ({ ...line, committed: 0, released: 0, returned: 0 })

export const outstanding = (line: ReservationLine): number => line.quantity - line.committed - line.released
export const returnable = (line: ReservationLine): number => line.committed - line.returned

/**
 * A line as its reservation's state completes it. Counters are written only where a reservation went in parts: what they leave open
 * when it is closed went the way that the state names, so that a whole commit need not touch its lines.
 */
export function completed(state: ReservationState, line: ReservationLine): ReservationLine {
  const rest = outstanding(line)
  if (state === 'open') return line
  if (state === 'released' || state === 'expired') return { ...line, released: line.released + rest }
  const committed = line.committed + rest
  return { ...line, committed, returned: state === 'returned' ? committed : line.returned }
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
  capacity: null,
  version: 0,
  settingsVersion: 0,
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
    owner: z.string().nullable(),
    expiresAt: Timestamp,
    lines: z.array(
      z.object({
        ...{ sku: Sku, location: Location, quantity: Quantity },
        outstanding: Count.meta({ description: 'Units still held.' }),
        committed: Count.meta({ description: 'Units that left the shelf.' }),
        released: Count.meta({ description: 'Units that were given back before they left, or expired.' }),
        returned: Count.meta({ description: 'Of the committed units, those that came back.' }),
      }),
    ),
  })
  .meta({ id: 'Reservation' })

export const reservationBody = (reservation: Reservation): z.output<typeof ReservationBody> => ({
  id: reservation.id,
  state: reservation.state,
  reference: reservation.reference,
  owner: reservation.owner,
  expiresAt: reservation.expiresAt.toISOString(),
  lines: reservation.lines.map(line => ({
    ...{ sku: line.sku, location: line.location, quantity: line.quantity, outstanding: outstanding(line) },
    ...{ committed: line.committed, released: line.released, returned: line.returned },
  })),
})

export const QuantityLine = z.strictObject({ sku: Sku, location: DefaultedLocation, quantity: Quantity })
export const QuantityLines = lines(QuantityLine)
export const DeltaLines = lines(z.strictObject({ sku: Sku, location: DefaultedLocation, delta: Delta }))
