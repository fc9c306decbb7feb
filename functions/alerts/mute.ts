import type { Queryable, Tx } from '../../shared/data/postgres.ts'
import type { Alert } from './alert.ts'
import { matches } from './matchers.ts'

/** What decides whether an alert is muted. */
export type Mutable = Pick<Alert, 'sku' | 'location' | 'category' | 'severity' | 'rule'>

const outranked = 'inhibited:out_of_stock'

/**
 * Fills in what mutes alerts that are about to be told, in one query. The word of a person goes first, then people at the shelf, then
 * an alert of another rule that says that there is nothing left at all: who knows that need not hear that it is little.
 */
export async function fillMuted(tx: Tx, told: readonly { alert: Alert }[], now: Date): Promise<void> {
  if (told.length === 0) return
  const alerts = told.map(({ alert }) => alert)
  const causes = await mutedBy(tx, alerts, now)
  for (const [index, one] of told.entries()) {
    one.alert = { ...one.alert, muted: causes[index] ?? (isOutranked(one.alert, alerts) ? outranked : null) }
  }
}

/** By one that is about to be told with it, and stands in no row yet. */
const isOutranked = (alert: Mutable, others: readonly Mutable[]): boolean =>
  alert.severity !== 'out_of_stock' &&
  others.some(
    ({ sku, location, severity, rule }) =>
      severity === 'out_of_stock' && sku === alert.sku && location === alert.location && rule !== alert.rule,
  )

/**
 * What mutes each alert now: `silence:<id>`, `inhibited:count:<id>`, `inhibited:out_of_stock`, or null.
 * @param beside whether silences are left out
 */
export async function mutedBy(
  sql: Queryable,
  alerts: readonly Mutable[],
  now: Date,
  beside: 'silences' | 'nothing' = 'nothing',
): Promise<(string | null)[]> {
  const rows = await sql<{ muted: string | null }[]>`
    with active as materialized (${activeMutes(sql, now)})
    select coalesce(
      (select m.cause from active m where m.rank >= ${beside === 'silences' ? 1 : 0}::int and ${matches(sql)} order by m.rank, m.starts_at, m.cause limit 1),
      case when ${isOutrankedInTable(sql)} then ${outranked} end) as muted
    from unnest(
      ${alerts.map(alert => alert.sku)}::text[], ${alerts.map(alert => alert.location)}::text[],
      ${alerts.map(alert => alert.category)}::text[], ${alerts.map(alert => alert.severity)}::text[],
      ${alerts.map(alert => alert.rule)}::text[]
    ) with ordinality as a (sku, location, category, severity, rule, number)
    order by a.number`
  return rows.map(({ muted }) => muted)
}

/** Silences and counts that mute now, as rows of matchers with their cause. */
export const activeMutes = (sql: Queryable, now: Date) => sql`
  select 'silence:' || id as cause, 0 as rank, starts_at, applied, skus, sku_prefixes, locations, categories, severities, rules
  from silence where starts_at <= ${now} and ends_at > ${now}
  union all
  select 'inhibited:count:' || count_id, 1, starts_at, applied, skus, sku_prefixes, array[location], null, null, null
  from inhibition where starts_at <= ${now} and ends_at > ${now}`

/** Whether an alert of another rule outranks the alert `a` at its place. */
export const isOutrankedInTable = (sql: Queryable) => sql`
  (a.severity <> 'out_of_stock' and exists (
    select from alert worst where worst.sku = a.sku and worst.location = a.location and worst.rule <> a.rule
      and worst.state <> 'resolved' and worst.severity = 'out_of_stock'))`

/** Whether what the alert `a` is muted by mutes it still; `active` are the mutes of now. */
export const isStillMuted = (sql: Queryable) => sql`
  (exists (select from active m where m.cause = a.muted and ${matches(sql)})
    or (a.muted = ${outranked} and ${isOutrankedInTable(sql)}))`
