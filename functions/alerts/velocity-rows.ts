import type { Place } from '../../shared/data/locking-order.ts'
import type { Tx } from '../../shared/data/postgres.ts'
import { dayOf, isoDay, type Sales } from './velocity.ts'
import type { Counted } from './velocity-counted.ts'

/** An array as the driver gives it, unparsed. */
const numbersOf = (text: string): number[] => (text === '{}' ? [] : text.slice(1, -1).split(',').map(Number))
const arrayText = (numbers: readonly number[]): string => `{${numbers.join(',')}}`

export const salesOf = (day: Date, units: string): Sales => ({ day: dayOf(day), units: numbersOf(units) })

export const countedOf = (through: number, ahead: string): Counted => ({ through, ahead: numbersOf(ahead) })

/** What was seen at a place: its newest stock, and whose sales are counted. */
export interface SeenRow extends Place {
  readonly available: number
  readonly version: number
  readonly capacity: number | null
  readonly counted: Counted
}

/** The rows are there and locked. */
export const updateSeen = (tx: Tx, rows: readonly SeenRow[], now: Date) => tx`
  update stock_seen seen set available = news.available, version = news.version, capacity = news.capacity, evaluated_at = ${now},
    counted_through = news.counted_through, counted_ahead = news.counted_ahead::bigint[]
  from unnest(
    ${rows.map(row => row.sku)}::text[], ${rows.map(row => row.location)}::text[], ${rows.map(row => row.available)}::bigint[],
    ${rows.map(row => row.version)}::bigint[], ${rows.map(row => row.capacity)}::bigint[],
    ${rows.map(row => row.counted.through)}::bigint[], ${rows.map(row => arrayText(row.counted.ahead))}::text[]
  ) as news (sku, location, available, version, capacity, counted_through, counted_ahead)
  where (seen.sku, seen.location) = (news.sku, news.location)`

/** The same stock was judged anew. */
export const noteEvaluated = (tx: Tx, places: readonly Place[], now: Date) => tx`
  update stock_seen seen set evaluated_at = ${now}
  from unnest(${places.map(place => place.sku)}::text[], ${places.map(place => place.location)}::text[]) as place (sku, location)
  where (seen.sku, seen.location) = (place.sku, place.location)`

/** Who writes them holds the lock of the place in `stock_seen`. */
export const upsertSales = (tx: Tx, rows: readonly (Place & { sales: Sales })[]) => tx`
  insert into sales (sku, location, day, units)
  select sku, location, day::date, units::bigint[] from unnest(
    ${rows.map(row => row.sku)}::text[], ${rows.map(row => row.location)}::text[],
    ${rows.map(row => isoDay(row.sales.day))}::text[], ${rows.map(row => arrayText(row.sales.units))}::text[]
  ) as news (sku, location, day, units)
  on conflict (sku, location) do update set day = excluded.day, units = excluded.units`

/**
 * Makes a row of each place that has none, with version 0, and locks all in one order: from here on nobody else judges them. Both are sent
 * at once: what is read after them is read under the locks.
 */
export const lockPlaces = (tx: Tx, places: readonly Place[]) => {
  const [skus, locations] = [places.map(place => place.sku), places.map(place => place.location)]
  return [
    tx`
      insert into stock_seen (sku, location, available, version)
      select sku, location, 0, 0 from unnest(${skus}::text[], ${locations}::text[]) as place (sku, location)
      where not exists (select from stock_seen seen where (seen.sku, seen.location) = (place.sku, place.location))
      order by sku collate "C", location collate "C"
      on conflict do nothing`.execute(),
    tx<(Place & { version: number })[]>`
      select seen.sku, seen.location, seen.version from stock_seen seen
      join unnest(${skus}::text[], ${locations}::text[]) as place (sku, location) using (sku, location)
      order by seen.sku, seen.location for update of seen`.execute(),
  ] as const
}
