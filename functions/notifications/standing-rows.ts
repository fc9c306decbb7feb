import type { Queryable, Tx } from '../../shared/data/postgres.ts'
import type { Standing } from './standing.ts'

export const standingColumns = (sql: Queryable) => sql`
  s.alert_id as "alertId", s.telling, s.told_at as "toldAt", s.sku, s.location, s.severity, s.available, s.threshold, s.category, s.rule,
  s.suggested_order as "suggestedOrder", s.muted, s.raised_at as "raisedAt", s.acknowledged_at as "acknowledgedAt",
  s.resolved_at as "resolvedAt", s.resolved_by as "resolvedBy"`

/**
 * Alerts as they are known, locked in the order of their ids. One that nobody knows is put there first: two transactions that hear of
 * it at the same time would otherwise each believe to be the first.
 */
export async function loadStanding(tx: Tx, unheard: readonly Standing[]): Promise<Map<string, Standing>> {
  const ids = unheard.map(({ alertId }) => alertId)
  await tx`
    insert into standing (alert_id, telling, sku, location, severity, available, threshold, rule)
    select alert_id, 0, sku, location, 'low', 0, 0, 'absolute'
    from unnest(${ids}::uuid[], ${unheard.map(({ sku }) => sku)}::text[], ${unheard.map(({ location }) => location)}::text[])
      as alert (alert_id, sku, location)
    order by alert_id
    on conflict do nothing`
  const rows = await tx<Standing[]>`
    select ${standingColumns(tx)} from standing s where alert_id = any (${ids}::uuid[]) order by alert_id for update`
  return new Map(rows.map(row => [row.alertId, row]))
}

export async function saveStanding(tx: Tx, alerts: readonly Standing[]): Promise<void> {
  if (alerts.length === 0) return
  const iso = (of: (alert: Standing) => Date | null) => alerts.map(alert => of(alert)?.toISOString() ?? null)
  await tx`
    update standing s
    set telling = a.telling, told_at = a.told_at, severity = a.severity, available = a.available, threshold = a.threshold,
        category = a.category, rule = a.rule, suggested_order = a.suggested_order, muted = a.muted, raised_at = a.raised_at,
        acknowledged_at = a.acknowledged_at, resolved_at = a.resolved_at, resolved_by = a.resolved_by
    from unnest(
      ${alerts.map(a => a.alertId)}::uuid[], ${alerts.map(a => a.telling)}::int[], ${iso(a => a.toldAt)}::timestamptz[],
      ${alerts.map(a => a.severity)}::text[], ${alerts.map(a => a.available)}::bigint[], ${alerts.map(a => a.threshold)}::bigint[],
      ${alerts.map(a => a.category)}::text[], ${alerts.map(a => a.rule)}::text[], ${alerts.map(a => a.suggestedOrder)}::bigint[],
      ${alerts.map(a => a.muted)}::text[], ${iso(a => a.raisedAt)}::timestamptz[], ${iso(a => a.acknowledgedAt)}::timestamptz[],
      ${iso(a => a.resolvedAt)}::timestamptz[], ${alerts.map(a => a.resolvedBy)}::text[]
    ) as a (alert_id, telling, told_at, severity, available, threshold, category, rule, suggested_order, muted, raised_at,
            acknowledged_at, resolved_at, resolved_by)
    where s.alert_id = a.alert_id`
}

/** Alerts as they are, by their ids. */
export async function readStanding(sql: Queryable, ids: readonly string[]): Promise<Standing[]> {
  if (ids.length === 0) return []
  return sql<Standing[]>`select ${standingColumns(sql)} from standing s where alert_id = any (${ids}::uuid[])`
}
