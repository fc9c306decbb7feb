import type { Place } from '../../shared/data/locking-order.ts'
import type { Tx } from '../../shared/data/postgres.ts'
import type { Figures } from './reconcile-judge.ts'

export interface Examined {
  readonly rows: number
  readonly movements: number
  /** The last row in key order; absent when there was none. */
  readonly last: Place | null
  /** Rows that do not add up. */
  readonly wrong: readonly Figures[]
}

/** Which rows: some places, or the next in key order behind one. */
export type Range = { readonly places: readonly Place[] } | { readonly after: Place | undefined; readonly limit: number }

/**
 * Adds up some rows, and notes how far those that are right are proved. One statement, so one snapshot.
 *
 * `incremental` reads the movements behind the last proof; a row with an open drift is read from its beginning all the same, because
 * its fault may stand before the proof. Open reservations are few beside all movements: they are read as a whole for each batch. How many
 * there are changes faster than the planner's statistics, so nothing is left to it: they are added up in one sorted pass, and
 * `offset 0` keeps the look-ups look-ups (a join that it had taken for a small one ran for over 45 s).
 */
export async function examine(tx: Tx, range: Range, mode: 'incremental' | 'full'): Promise<Examined> {
  const keys =
    'places' in range
      ? tx`select s.* from stock s join unnest(${range.places.map(place => place.sku)}::text[], ${range.places.map(place => place.location)}::text[])
             as wanted (sku, location) on s.sku = wanted.sku and s.location = wanted.location`
      : tx`select s.* from stock s where (s.sku, s.location) > (${range.after?.sku ?? ''}, ${range.after?.location ?? ''})
           order by s.sku, s.location limit ${range.limit}`
  const [examined] = await tx<Examined[]>`
    with key as materialized (${keys}),
    row as materialized (
      select sku, location, on_hand, reserved, version, backorder_limit, promised as units from (
        select *, sum(units) over (partition by sku, location)::bigint as promised from (
          select sku, location, on_hand, reserved, version, backorder_limit, 0::bigint as units, true as is_row from key
          union all
          select l.sku, l.location, 0, 0, 0, 0, l.units, false
          from reservation o cross join lateral (
            select sku, location, quantity - committed - released as units from reservation_line
            where reservation_id = o.id and sku between (select min(sku) from key) and (select max(sku) from key)
            offset 0
          ) l
          where o.state = 'open'
        ) apart
      ) added where is_row
    ),
    known as (
      select r.*, p.version as proved_version, p.on_hand as proved_on_hand, p.reserved as proved_reserved,
        ${mode === 'full'}::boolean or exists (
          select from drift d where d.sku = r.sku and d.location = r.location and d.state = 'open') as whole
      from row r left join lateral (select * from proof where sku = r.sku and location = r.location offset 0) p on true
    ),
    summed as (
      select k.*, m.*,
        case when k.whole then 0 else coalesce(k.proved_version, 0) end as base_version,
        case when k.whole then 0 else coalesce(k.proved_on_hand, 0) end as base_on_hand,
        case when k.whole then 0 else coalesce(k.proved_reserved, 0) end as base_reserved
      from known k
      cross join lateral (
        select count(*) as moved, max(version) as newest,
          coalesce(sum(on_hand_delta), 0)::bigint as on_hand_moved, coalesce(sum(reserved_delta), 0)::bigint as reserved_moved,
          count(*) filter (where version <= k.proved_version) as again,
          coalesce(sum(on_hand_delta) filter (where version <= k.proved_version), 0)::bigint as on_hand_again,
          coalesce(sum(reserved_delta) filter (where version <= k.proved_version), 0)::bigint as reserved_again
        from movement
        where sku = k.sku and location = k.location and version > case when k.whole then 0 else coalesce(k.proved_version, 0) end
      ) m
    ),
    judged as (
      select *, version = base_version + moved and version = coalesce(newest, base_version)
        and on_hand = base_on_hand + on_hand_moved and reserved = base_reserved + reserved_moved and reserved = units
        and on_hand >= 0 and reserved <= on_hand + backorder_limit
        and (not whole or proved_version is null
          or (again = proved_version and on_hand_again = proved_on_hand and reserved_again = proved_reserved)) as is_right
      from summed
    ),
    noted as (
      insert into proof (sku, location, version, on_hand, reserved, at)
      select sku, location, version, on_hand, reserved, statement_timestamp() from judged
      where is_right and version > coalesce(proved_version, 0)
      order by sku, location
      on conflict (sku, location) do update
        set version = excluded.version, on_hand = excluded.on_hand, reserved = excluded.reserved, at = excluded.at
        where proof.version < excluded.version
    )
    select (select count(*) from row) as rows, (select coalesce(sum(moved), 0)::bigint from judged) as movements,
      (select jsonb_build_object('sku', sku, 'location', location) from row order by sku desc, location desc limit 1) as last,
      (select coalesce(jsonb_agg(jsonb_build_object(
          'sku', sku, 'location', location, 'onHand', on_hand, 'reserved', reserved, 'version', version,
          'backorderLimit', backorder_limit, 'promised', units,
          'ledger', jsonb_build_object('versions', base_version + moved, 'newest', coalesce(newest, base_version),
            'onHand', base_on_hand + on_hand_moved, 'reserved', base_reserved + reserved_moved),
          'proved', case when whole and proved_version is not null then
            jsonb_build_object('version', proved_version, 'onHand', proved_on_hand, 'reserved', proved_reserved) end,
          'again', case when whole and proved_version is not null then
            jsonb_build_object('versions', again, 'onHand', on_hand_again, 'reserved', reserved_again) end
        ) order by sku, location), '[]'::jsonb) from judged where not is_right) as wrong`
  return examined as Examined
}
