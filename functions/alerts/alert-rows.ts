import type { Queryable, Tx } from '../../shared/data/postgres.ts'
import type { Alert, Severity } from './alert.ts'

export const alertActions = [
  ...(['raised', 'worsened', 'acknowledged', 'snoozed', 'woken'] as const),
  ...(['muted', 'unmuted', 'escalated', 'resolved'] as const),
] as const
export type AlertAction = (typeof alertActions)[number]

/** One line of an alert's history: who did what, or the stock itself. */
export interface HistoryRow {
  readonly id: string
  readonly alertId: string
  readonly action: AlertAction
  readonly at: Date
  /** Absent where the stock or the clock did it. */
  readonly actor?: string
  readonly note?: string | undefined
  readonly severity: Severity
  readonly available: number
  readonly snoozedUntil?: Date | null
  /** What mutes it; which step of which policy told whom. */
  readonly detail?: object
}

/** Alerts by their ids, locked in the order of their ids. */
export const loadAlertsForUpdate = (tx: Tx, ids: readonly string[]): PromiseLike<Alert[]> => tx<Alert[]>`
  select ${alertColumns(tx)} from alert where id = any (${ids}::uuid[]) order by id for update`

export const alertColumns = (sql: Queryable) => sql`
  id, sku, location, state, severity, threshold, available, stock_version as "stockVersion", raised_at as "raisedAt",
  resolved_at as "resolvedAt", snoozed_until as "snoozedUntil", telling, rule, category,
  suggested_order as "suggestedOrder", muted, acknowledged_by as "acknowledgedBy", acknowledged_at as "acknowledgedAt"`

export const insertAlerts = (tx: Tx, alerts: readonly Alert[]) => tx`
  insert into alert (
    id, sku, location, state, severity, threshold, available, stock_version, raised_at, rule, category, suggested_order, muted)
  select id, sku, location, 'open', severity, threshold, available, stock_version, ${(alerts[0] as Alert).raisedAt}::timestamptz,
    rule, category, suggested_order, muted
  from unnest(
    ${alerts.map(alert => alert.id)}::uuid[], ${alerts.map(alert => alert.sku)}::text[], ${alerts.map(alert => alert.location)}::text[],
    ${alerts.map(alert => alert.severity)}::text[], ${alerts.map(alert => alert.threshold)}::bigint[],
    ${alerts.map(alert => alert.available)}::bigint[], ${alerts.map(alert => alert.stockVersion)}::bigint[],
    ${alerts.map(alert => alert.rule)}::text[], ${alerts.map(alert => alert.category)}::text[],
    ${alerts.map(alert => alert.suggestedOrder)}::bigint[], ${alerts.map(alert => alert.muted)}::text[]
  ) as alert (id, sku, location, severity, threshold, available, stock_version, rule, category, suggested_order, muted)`

/** Opens alerts again with what they say now. Nobody has acknowledged that, and its escalation starts anew. */
export const tellAgain = (tx: Tx, alerts: readonly Alert[]) => tx`
  update alert set state = 'open', snoozed_until = null, severity = told.severity, threshold = told.threshold,
    available = told.available, stock_version = told.stock_version, telling = told.telling,
    category = told.category, suggested_order = told.suggested_order, muted = told.muted,
    acknowledged_by = null, acknowledged_at = null, escalate_at = '-infinity'
  from unnest(
    ${alerts.map(alert => alert.id)}::uuid[], ${alerts.map(alert => alert.severity)}::text[],
    ${alerts.map(alert => alert.threshold)}::bigint[], ${alerts.map(alert => alert.available)}::bigint[],
    ${alerts.map(alert => alert.stockVersion)}::bigint[], ${alerts.map(alert => alert.telling)}::int[],
    ${alerts.map(alert => alert.category)}::text[], ${alerts.map(alert => alert.suggestedOrder)}::bigint[],
    ${alerts.map(alert => alert.muted)}::text[]
  ) as told (id, severity, threshold, available, stock_version, telling, category, suggested_order, muted)
  where alert.id = told.id`

/** Ended by the stock: it has recovered. */
export const resolveRows = (tx: Tx, ids: readonly string[], now: Date) => tx`
  update alert set state = 'resolved', resolved_at = ${now}, snoozed_until = null where id = any (${ids}::uuid[])`

export const settleRows = (tx: Tx, ids: readonly string[]) => tx`
  update alert set settled = true where id = any (${ids}::uuid[])`

export async function insertHistory(tx: Tx, rows: readonly HistoryRow[]): Promise<void> {
  if (rows.length === 0) return
  await tx`
    insert into alert_history (id, alert_id, action, at, actor, note, severity, available, snoozed_until, detail)
    select id, alert_id, action, at, actor, note, severity, available, snoozed_until, detail::jsonb
    from unnest(
      ${rows.map(row => row.id)}::uuid[], ${rows.map(row => row.alertId)}::uuid[], ${rows.map(row => row.action)}::text[],
      ${rows.map(row => row.at.toISOString())}::timestamptz[], ${rows.map(row => row.actor ?? null)}::text[],
      ${rows.map(row => row.note ?? null)}::text[], ${rows.map(row => row.severity)}::text[],
      ${rows.map(row => row.available)}::bigint[], ${rows.map(row => row.snoozedUntil?.toISOString() ?? null)}::timestamptz[],
      ${rows.map(row => (row.detail ? JSON.stringify(row.detail) : null))}::text[]
    ) as done (id, alert_id, action, at, actor, note, severity, available, snoozed_until, detail)`
}
