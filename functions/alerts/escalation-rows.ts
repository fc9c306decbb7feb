import type { Queryable, Tx } from '../../shared/data/postgres.ts'
import type { Alert } from './alert.ts'
import { alertColumns } from './alert-rows.ts'
import type { Run } from './escalation.ts'
import { type Policy, policyColumns } from './escalation-policy.ts'
import { matches } from './matchers.ts'

/** How far the escalation of an alert has come, of which policy, in which telling. */
export interface EscalationRow extends Run {
  readonly alertId: string
  readonly policyId: string
  readonly telling: number
  /** Steps in the alert's whole life. */
  readonly told: number
}

export const lockDue = (tx: Tx, now: Date, limit: number): PromiseLike<Alert[]> => tx<Alert[]>`
  select ${alertColumns(tx)} from alert where state = 'open' and escalate_at < 'infinity' and escalate_at <= ${now}
  order by escalate_at limit ${limit} for update skip locked`

/** @returns of each alert that has any, by its id */
export async function readEscalations(sql: Queryable, ids: readonly string[]): Promise<Map<string, EscalationRow>> {
  const rows = await sql<EscalationRow[]>`
    select alert_id as "alertId", policy_id as "policyId", telling, started_at as "startedAt", taken, last_at as "lastAt", told
    from escalation where alert_id = any (${ids}::uuid[])`
  return new Map(rows.map(row => [row.alertId, row]))
}

export interface Choice {
  readonly policy: Policy | undefined
  /** When the alert was told last. */
  readonly toldAt: Date
}

/** The policy of each alert: of those that match it, the one of the lowest priority. */
export async function choosePolicies(sql: Queryable, alerts: readonly Alert[]): Promise<Choice[]> {
  const chosen = await sql<{ policyId: string | null; toldAt: Date | null }[]>`
    select (select m.id from escalation_policy m where ${matches(sql)} order by m.priority, m.name limit 1) as "policyId",
      (select max(at) from alert_history where alert_id = a.id and action in ('raised', 'worsened', 'woken', 'unmuted')) as "toldAt"
    from unnest(
      ${alerts.map(alert => alert.id)}::uuid[], ${alerts.map(alert => alert.sku)}::text[],
      ${alerts.map(alert => alert.location)}::text[], ${alerts.map(alert => alert.category)}::text[],
      ${alerts.map(alert => alert.severity)}::text[], ${alerts.map(alert => alert.rule)}::text[]
    ) with ordinality as a (id, sku, location, category, severity, rule, number)
    order by a.number`
  const ids = [...new Set(chosen.flatMap(({ policyId }) => policyId ?? []))]
  const policies = await sql<Policy[]>`select ${policyColumns(sql)} from escalation_policy m where m.id = any (${ids}::uuid[])`
  return chosen.map(({ policyId, toldAt }, index) => ({
    policy: policies.find(({ id }) => id === policyId),
    toldAt: toldAt ?? (alerts[index] as Alert).raisedAt,
  }))
}

export const saveEscalations = (tx: Tx, rows: readonly EscalationRow[]) => tx`
  insert into escalation (alert_id, policy_id, telling, started_at, taken, last_at, told)
  select * from unnest(
    ${rows.map(row => row.alertId)}::uuid[], ${rows.map(row => row.policyId)}::uuid[], ${rows.map(row => row.telling)}::int[],
    ${rows.map(row => row.startedAt.toISOString())}::timestamptz[], ${rows.map(row => row.taken)}::int[],
    ${rows.map(row => row.lastAt?.toISOString() ?? null)}::timestamptz[], ${rows.map(row => row.told)}::int[])
  on conflict (alert_id) do update set policy_id = excluded.policy_id, telling = excluded.telling, started_at = excluded.started_at,
    taken = excluded.taken, last_at = excluded.last_at, told = excluded.told`

/** @param at undefined: never, until the alert is told again or a policy is changed */
export const setEscalateAt = (tx: Tx, looks: readonly { id: string; at: Date | undefined }[]) => tx`
  update alert set escalate_at = look.at
  from unnest(
    ${looks.map(({ id }) => id)}::uuid[], ${looks.map(({ at }) => at?.toISOString() ?? 'infinity')}::timestamptz[]
  ) as look (id, at)
  where alert.id = look.id`

/** Lets alerts be looked at anew for which a policy was made or changed. @returns whether some are left */
export async function lookAgain(tx: Tx, policyId: string, limit: number): Promise<boolean> {
  const found = await tx`
    update alert set escalate_at = '-infinity' where id in (
      select a.id from alert a join escalation_policy m on m.id = ${policyId} and ${matches(tx)}
      where a.state = 'open' and a.muted is null and a.escalate_at > '-infinity'
      order by a.id limit ${limit} for update of a skip locked)
    returning 1`
  return found.length === limit
}
