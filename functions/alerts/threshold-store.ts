import type { Queryable, Tx } from '../../shared/data/postgres.ts'
import { valuesBody } from './threshold-body.ts'
import { keyText, type StoredThreshold, type ThresholdKey } from './thresholds.ts'

export const thresholdColumns = (sql: Queryable) => sql`
  threshold.sku, threshold.location, threshold.category, threshold.rule, threshold.state, threshold.level,
  threshold.critical_level as "criticalLevel", threshold.resolve_above as "resolveAbove", threshold.par_level as "parLevel",
  threshold.window_days as "windowDays", threshold.lead_time_days as "leadTimeDays", threshold.for_seconds as "forSeconds",
  threshold.dedup_seconds as "dedupSeconds"`

/** Every threshold that may count at some places, whatever its scope; `place` and `at` name the place. Each look goes by the key. */
export const readThresholdsFor = (sql: Queryable, skus: readonly string[], locations: readonly string[]) => sql<
  (StoredThreshold & { place: string; at: string })[]
>`
  select place.sku as place, place.location as at, ${thresholdColumns(sql)}
  from unnest(${skus}::text[], ${locations}::text[]) as place (sku, location)
  left join sku_profile profile on profile.sku = place.sku
  cross join lateral (
    select * from threshold t where t.sku = place.sku and t.location = place.location and t.category = ''
    union all
    select * from threshold t where t.sku = place.sku and t.location = '' and t.category = ''
    union all
    select * from threshold t where t.sku = '' and t.location = '' and t.category = profile.category and profile.category <> ''
    union all
    select * from threshold t where t.sku = '' and t.location = place.location and t.category = ''
    union all
    select * from threshold t where t.sku = '' and t.location = '' and t.category = ''
  ) threshold`

/** Who changes thresholds, and when. */
export interface Change {
  readonly actor: string
  readonly at: Date
  readonly newId: () => string
}

/**
 * Sets thresholds and notes what was changed. Rows are locked in the order of their keys, as they are or as they are made, so that what
 * each was before is known whoever else sets it now.
 * @returns those that are not as they were
 */
export async function storeThresholds(tx: Tx, rows: readonly StoredThreshold[], change: Change): Promise<StoredThreshold[]> {
  const found = await lockOrInsert(tx, rows, change)
  const before = new Map(found.map(row => [keyText(row), row]))
  const changed = rows.filter(row => {
    const one = before.get(keyText(row))
    return one === undefined || one.isNew || JSON.stringify(valuesBody(one)) !== JSON.stringify(valuesBody(row))
  })
  const kept = changed.filter(row => before.get(keyText(row))?.isNew === false)
  if (kept.length > 0) await updateThresholds(tx, kept, change)
  await insertChanges(
    tx,
    changed.map(after => {
      const one = before.get(keyText(after))
      return { key: after, before: one && !one.isNew ? one : null, after }
    }),
    change,
  )
  return changed
}

/** @returns the keys of those that were there, and are no more */
export async function deleteThresholds(tx: Tx, keys: readonly ThresholdKey[], change: Change): Promise<StoredThreshold[]> {
  const deleted = await tx<StoredThreshold[]>`
    with locked as (
      select threshold.ctid from threshold join unnest(
        ${keys.map(key => key.sku)}::text[], ${keys.map(key => key.location)}::text[],
        ${keys.map(key => key.category)}::text[], ${keys.map(key => key.rule)}::text[]
      ) as key (sku, location, category, rule) using (sku, location, category, rule)
      order by sku, location, category, rule for update of threshold
    )
    delete from threshold using locked where threshold.ctid = locked.ctid
    returning ${thresholdColumns(tx)}`
  await insertChanges(
    tx,
    deleted.map(before => ({ key: before, before, after: null })),
    change,
  )
  return deleted
}

const given = (tx: Tx, rows: readonly StoredThreshold[]) => tx`
  unnest(
    ${rows.map(row => row.sku)}::text[], ${rows.map(row => row.location)}::text[], ${rows.map(row => row.category)}::text[],
    ${rows.map(row => row.rule)}::text[], ${rows.map(row => row.state)}::text[], ${rows.map(row => row.level)}::bigint[],
    ${rows.map(row => row.criticalLevel)}::bigint[], ${rows.map(row => row.resolveAbove)}::bigint[],
    ${rows.map(row => row.parLevel)}::bigint[], ${rows.map(row => row.windowDays)}::int[], ${rows.map(row => row.leadTimeDays)}::int[],
    ${rows.map(row => row.forSeconds)}::int[], ${rows.map(row => row.dedupSeconds)}::int[]
  ) as given (sku, location, category, rule, state, level, critical_level, resolve_above, par_level, window_days, lead_time_days,
              for_seconds, dedup_seconds)`

const lockOrInsert = (tx: Tx, rows: readonly StoredThreshold[], { actor, at }: Change) => tx<
  (StoredThreshold & { isNew: boolean })[]
>`
  insert into threshold (sku, location, category, rule, state, level, critical_level, resolve_above, par_level, window_days,
    lead_time_days, for_seconds, dedup_seconds, updated_at, updated_by)
  select given.*, ${at}::timestamptz, ${actor} from ${given(tx, rows)}
  order by sku collate "C", location collate "C", category collate "C", rule
  on conflict (sku, location, category, rule) do update set updated_by = threshold.updated_by
  returning (xmax = 0) as "isNew", ${thresholdColumns(tx)}`

const updateThresholds = (tx: Tx, rows: readonly StoredThreshold[], { actor, at }: Change) => tx`
  update threshold set state = given.state, level = given.level, critical_level = given.critical_level,
    resolve_above = given.resolve_above, par_level = given.par_level, window_days = given.window_days,
    lead_time_days = given.lead_time_days, for_seconds = given.for_seconds, dedup_seconds = given.dedup_seconds,
    updated_at = ${at}, updated_by = ${actor}
  from ${given(tx, rows)}
  where (threshold.sku, threshold.location, threshold.category, threshold.rule)
      = (given.sku, given.location, given.category, given.rule)`

interface Changed {
  readonly key: ThresholdKey
  readonly before: StoredThreshold | null
  readonly after: StoredThreshold | null
}

async function insertChanges(tx: Tx, changes: readonly Changed[], { actor, at, newId }: Change): Promise<void> {
  if (changes.length === 0) return
  const text = (threshold: StoredThreshold | null) => (threshold ? JSON.stringify(valuesBody(threshold)) : null)
  await tx`
    insert into threshold_change (id, sku, location, category, rule, before, after, at, actor)
    select id, sku, location, category, rule, before::jsonb, after::jsonb, ${at}::timestamptz, ${actor}
    from unnest(
      ${changes.map(() => newId())}::uuid[], ${changes.map(({ key }) => key.sku)}::text[],
      ${changes.map(({ key }) => key.location)}::text[], ${changes.map(({ key }) => key.category)}::text[],
      ${changes.map(({ key }) => key.rule)}::text[], ${changes.map(({ before }) => text(before))}::text[],
      ${changes.map(({ after }) => text(after))}::text[]
    ) as change (id, sku, location, category, rule, before, after)`
}
