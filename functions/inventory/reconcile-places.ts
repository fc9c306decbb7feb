import type { Place } from '../../shared/data/locking-order.ts'
import type { Tx } from '../../shared/data/postgres.ts'

/** Rows that are compared with their proofs at once, in some 0.1 s. */
const comparedRows = 100_000

/** Places that are judged at once. */
export const judgedPlaces = 5_000

/** What lies behind a place in key order, up to `last`. */
export interface Stretch {
  /** Rows of stock in it. */
  readonly rows: number
  /** Those that have to be judged, also where there is no row. */
  readonly places: readonly Place[]
  /** Undefined: there is nothing behind. */
  readonly last: Place | undefined
}

/** Rows of the next stretch: where most have changed, no more are compared than can be judged. */
export const nextSize = (mode: 'incremental' | 'full', before?: { size: number; places: number }): number => {
  if (mode === 'full' || before?.places === judgedPlaces) return judgedPlaces
  return before ? Math.min(before.size * 4, comparedRows) : comparedRows
}

/**
 * The next places to judge. `incremental`: rows that are not as they were proved, and places that have a proof and no row. `full`: all
 * rows, and whatever the ledger knows. Both: what drifts already.
 *
 * Nearly all rows are as they were proved. One pass over both tables in key order says which are not, in some 2 µs a row; judging one takes ten times that.
 */
export async function nextStretch(
  tx: Tx,
  after: Place | undefined,
  mode: 'incremental' | 'full',
  size: number,
): Promise<Stretch> {
  // A stretch may lie anywhere: the plan that is right for one would read the whole table for another.
  await tx`set local plan_cache_mode = force_custom_plan`
  const [bound] = await tx<Place[]>`
    select sku, location from stock where ${behind(tx, after)} order by sku, location offset ${size - 1} limit 1`
  const within = bound ? tx`${behind(tx, after)} and (sku, location) <= (${bound.sku}, ${bound.location})` : behind(tx, after)
  const places = await tx<Place[]>`
    select sku, location from (
      ${mode === 'full' ? known(tx, within) : changed(tx, within)}
      union
      select sku, location from drift where state = 'open' and kind <> 'transit' and ${within}
    ) place
    order by sku, location limit ${judgedPlaces}`
  const last = places.length === judgedPlaces ? places.at(-1) : bound
  if (last === bound && bound) return { places, last, rows: size }
  const [counted] = await tx<{ rows: number }[]>`
    select count(*) as rows from stock
    where ${last ? tx`${behind(tx, after)} and (sku, location) <= (${last.sku}, ${last.location})` : within}`
  return { places, last, rows: counted?.rows ?? 0 }
}

const behind = (tx: Tx, after: Place | undefined) => tx`(sku, location) > (${after?.sku ?? ''}, ${after?.location ?? ''})`

/** A row that never moved needs no proof: it is like one that is not there. */
const changed = (tx: Tx, within: ReturnType<typeof behind>) => tx`
  select coalesce(s.sku, p.sku) as sku, coalesce(s.location, p.location) as location
  from (select sku, location, on_hand, reserved, version, backorder_limit from stock where ${within} order by sku, location) s
  full join (select sku, location, on_hand, reserved, version from proof where ${within} order by sku, location) p
    on s.sku = p.sku and s.location = p.location
  where coalesce(s.version, 0) <> coalesce(p.version, 0) or coalesce(s.on_hand, 0) <> coalesce(p.on_hand, 0)
    or coalesce(s.reserved, 0) <> coalesce(p.reserved, 0) or s.reserved > s.on_hand + s.backorder_limit`

const known = (tx: Tx, within: ReturnType<typeof behind>) => tx`
  select sku, location from stock where ${within}
  union
  select sku, location from proof where ${within}
  union
  select sku, location from movement where ${within} group by sku, location`
