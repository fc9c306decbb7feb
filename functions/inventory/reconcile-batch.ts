import type { Place } from '../../shared/data/locking-order.ts'
import type { Tx } from '../../shared/data/postgres.ts'
import type { Figures } from './reconcile-judge.ts'

export interface Examined {
  readonly movements: number
  /** Places that do not add up. */
  readonly wrong: readonly Figures[]
}

/**
 * Adds up some places, and notes how far those that are right are proved. One statement, so one snapshot. Where there is no row of stock,
 * ledger and reservations are held against one without units.
 *
 * `incremental` reads the movements behind the last proof; a place with an open drift is read from its beginning all the same, because
 * its fault may stand before the proof. Open reservations are few beside all movements: they are read as a whole for each batch. How many
 * there are changes faster than the planner's statistics, so nothing is left to it: they are added up in one sorted pass, and
 * `offset 0` keeps the look-ups look-ups (a join that it had taken for a small one ran for over 45 s).
 *
 * The beginning of a place's ledger is what its archived movements add up to. Which movements those are the time says and not the
 * version: two clocks may differ about the month of neighbours. No key keeps a version from standing in two months, so they are counted.
 */
export async function examine(tx: Tx, places: readonly Place[], mode: 'incremental' | 'full'): Promise<Examined> {
  const [examined] = await tx<Examined[]>`
    with key as materialized (
      select w.sku, w.location, s.version is null as absent, coalesce(s.on_hand, 0) as on_hand, coalesce(s.reserved, 0) as reserved,
        coalesce(s.version, 0) as version, coalesce(s.backorder_limit, 0) as backorder_limit
      from unnest(${places.map(place => place.sku)}::text[], ${places.map(place => place.location)}::text[]) as w (sku, location)
      left join lateral (select * from stock where sku = w.sku and location = w.location offset 0) s on true
    ),
    row as materialized (
      select sku, location, absent, on_hand, reserved, version, backorder_limit, promised as units from (
        select *, sum(units) over (partition by sku, location)::bigint as promised from (
          select sku, location, absent, on_hand, reserved, version, backorder_limit, 0::bigint as units, true as is_row from key
          union all
          select l.sku, l.location, false, 0, 0, 0, 0, l.units, false
          from reservation o cross join lateral (
            select sku, location, quantity - committed - released as units from reservation_line
            where reservation_id = o.id and sku between (select min(sku) from key) and (select max(sku) from key)
            offset 0
          ) l
          where o.state = 'open'
        ) apart
      ) added where is_row
    ),
    known as materialized (
      select r.*, p.version as proved_version, p.on_hand as proved_on_hand, p.reserved as proved_reserved,
        coalesce(p.archived_versions, 0) as archived_versions, coalesce(p.archived_newest, 0) as archived_newest,
        coalesce(p.archived_on_hand, 0) as archived_on_hand, coalesce(p.archived_reserved, 0) as archived_reserved,
        ${mode === 'full'}::boolean or exists (
          select from drift d where d.sku = r.sku and d.location = r.location and d.state = 'open') as whole
      from row r left join lateral (select * from proof where sku = r.sku and location = r.location offset 0) p on true
    ),
    summed as (
      select k.*, m.*,
        case when k.whole then archived_versions else coalesce(k.proved_version, 0) end as base_version,
        case when k.whole then archived_newest else coalesce(k.proved_version, 0) end as base_newest,
        case when k.whole then archived_on_hand else coalesce(k.proved_on_hand, 0) end as base_on_hand,
        case when k.whole then archived_reserved else coalesce(k.proved_reserved, 0) end as base_reserved
      from known k
      cross join lateral (
        select count(*) as moved, count(distinct version) as versions, max(version) as newest,
          coalesce(sum(on_hand_delta), 0)::bigint as on_hand_moved, coalesce(sum(reserved_delta), 0)::bigint as reserved_moved,
          k.archived_versions + count(*) filter (where version <= k.proved_version) as again,
          k.archived_on_hand + coalesce(sum(on_hand_delta) filter (where version <= k.proved_version), 0)::bigint as on_hand_again,
          k.archived_reserved + coalesce(sum(reserved_delta) filter (where version <= k.proved_version), 0)::bigint as reserved_again
        from movement
        where sku = k.sku and location = k.location and version > case when k.whole then 0 else coalesce(k.proved_version, 0) end
          and at >= (select coalesce(max(ends), '-infinity') from movement_archive)
      ) m
    ),
    judged as (
      select *, version = base_version + moved and version = greatest(newest, base_newest) and moved = versions
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
    select (select coalesce(sum(moved), 0)::bigint from judged) as movements,
      (select coalesce(jsonb_agg(jsonb_build_object(
          'sku', sku, 'location', location, 'absent', absent, 'onHand', on_hand, 'reserved', reserved, 'version', version,
          'backorderLimit', backorder_limit, 'promised', units,
          'ledger', jsonb_build_object('versions', base_version + moved, 'newest', greatest(newest, base_newest),
            'doubled', moved - versions,
            'onHand', base_on_hand + on_hand_moved, 'reserved', base_reserved + reserved_moved),
          'proved', case when whole and proved_version is not null then
            jsonb_build_object('version', proved_version, 'onHand', proved_on_hand, 'reserved', proved_reserved) end,
          'again', case when whole and proved_version is not null then
            jsonb_build_object('versions', again, 'onHand', on_hand_again, 'reserved', reserved_again) end
        ) order by sku, location), '[]'::jsonb) from judged where not is_right) as wrong`
  return examined as Examined
}
