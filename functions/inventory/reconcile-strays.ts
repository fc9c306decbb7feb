import type { Place } from '../../shared/data/locking-order.ts'
import type { Tx } from '../../shared/data/postgres.ts'
import { judgedPlaces } from './reconcile-places.ts'

/**
 * Places whose reserved units are not what open reservations wait for, also where there is no row. One statement, so one snapshot; it
 * reads all rows that have something reserved and all open reservations. How many of these there are changes faster than the planner's
 * statistics: `offset 0` keeps the look-ups of their lines look-ups.
 */
export const brokenPromises = (tx: Tx, after: Place | undefined): PromiseLike<Place[]> => tx<Place[]>`
  select sku, location from (
    select coalesce(s.sku, o.sku) as sku, coalesce(s.location, o.location) as location
    from (select sku, location, reserved from stock where reserved <> 0) s
    full join (
      select l.sku, l.location, sum(l.units)::bigint as units
      from reservation r cross join lateral (
        select sku, location, quantity - committed - released as units from reservation_line where reservation_id = r.id offset 0
      ) l
      where r.state = 'open' group by l.sku, l.location
    ) o on s.sku = o.sku and s.location = o.location
    where coalesce(s.reserved, 0) <> coalesce(o.units, 0)
  ) broken
  where (sku, location) > (${after?.sku ?? ''}, ${after?.location ?? ''})
  order by sku, location limit ${judgedPlaces}`

/** Places with movements of a span of time that no row of stock counts: the row is gone, or of an older version. */
export const uncountedMovements = (
  tx: Tx,
  span: { from: Date; to: Date | undefined },
  after: Place | undefined,
): PromiseLike<Place[]> => tx<Place[]>`
  select distinct m.sku, m.location from (
    select sku, location, version from movement where at > ${span.from} ${span.to ? tx`and at <= ${span.to}` : tx``} offset 0
  ) m
  where (m.sku, m.location) > (${after?.sku ?? ''}, ${after?.location ?? ''})
    and not exists (select from stock s where s.sku = m.sku and s.location = m.location and s.version >= m.version)
  order by m.sku, m.location limit ${judgedPlaces}`

/** Movements of this many hours are looked at in one go, and those of so many at most: what is older is the full proof's. */
const spanHours = 1
const longestHours = 24

/** Minutes by which the clock that a movement was written by, and its commit, may be behind the database's clock. */
const lateMinutes = 5

/** The next span of time to look at; the last one has no end. */
export async function nextSpan(tx: Tx): Promise<{ from: Date; to: Date | undefined }> {
  const [span] = await tx<{ from: Date; to: Date | null }[]>`
    select seen.from, case when seen.from + make_interval(hours => ${spanHours}) < now()
      then seen.from + make_interval(hours => ${spanHours}) end as to
    from (select greatest(max(at), now() - make_interval(hours => ${longestHours})) as from from ledger_seen) seen`
  const { from, to } = span as { from: Date; to: Date | null }
  return { from, to: to ?? undefined }
}

/** `to`: the end of the span that was looked at. */
export async function noteSpan(tx: Tx, to: Date | undefined): Promise<void> {
  await tx`
    insert into ledger_seen (at) values (${to ? tx`${to}` : tx`now() - make_interval(mins => ${lateMinutes})`})
    on conflict (singleton) do update set at = greatest(ledger_seen.at, excluded.at)`
}
