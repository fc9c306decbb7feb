import type { Queryable } from '../../shared/data/postgres.ts'
import type { MovementFilter, MovementRow } from './movements.ts'

/** Units on the shelf and promised ones. */
export interface Totals {
  readonly onHand: number
  readonly reserved: number
}

/** Whether a page is the history of one row of stock, with nothing left out: only then one movement's totals follow from the next one's. */
export const isWhole = ({ sku, location, ...others }: MovementFilter): boolean =>
  sku !== undefined && location !== undefined && Object.values(others).every(value => value === undefined)

/**
 * The totals after a movement: those of now without what came later. Stored with each movement they would be paid for by every sale; so
 * the first page pays, for the few movements since it was read. Undefined where the stock has no row.
 */
export async function totalsAfter(
  sql: Queryable,
  { sku, location, version }: Pick<MovementRow, 'sku' | 'location' | 'version'>,
): Promise<Totals | undefined> {
  const [totals] = await sql<Totals[]>`
    select s.on_hand - later.on_hand as "onHand", s.reserved - later.reserved as reserved
    from stock s cross join lateral (
      select coalesce(sum(on_hand_delta), 0)::bigint as on_hand, coalesce(sum(reserved_delta), 0)::bigint as reserved
      from movement where sku = s.sku and location = s.location and version > ${version}
    ) later
    where s.sku = ${sku} and s.location = ${location}`
  return totals
}

export const totalsBefore = ({ onHandDelta, reservedDelta }: MovementRow, { onHand, reserved }: Totals): Totals => ({
  onHand: onHand - onHandDelta,
  reserved: reserved - reservedDelta,
})

/** Each movement, newest first, with the totals after it. */
export function withTotals(rows: readonly MovementRow[], newest: Totals): (MovementRow & { after: Totals })[] {
  let after = newest
  return rows.map(row => {
    const counted = { ...row, after }
    after = totalsBefore(row, after)
    return counted
  })
}
