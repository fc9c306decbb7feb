import type { Queryable } from '../../shared/data/postgres.ts'
import { Count } from '../../shared/fields.ts'

/** What became of alerts, whatever messages they were put in. */
export const toldFields = {
  alertsTold: Count.meta({ description: 'Alerts in a message that its provider took.' }),
  alertsCancelled: Count.meta({ description: 'Alerts that ended before anybody was told.' }),
  alertsMuted: Count.meta({ description: 'Alerts that stand and are told to nobody: silenced, or inhibited.' }),
  alertsPending: Count.meta({ description: 'Alerts that stand and are still to be told.' }),
}

export async function countTold(sql: Queryable): Promise<Record<keyof typeof toldFields, number>> {
  const [counts] = await sql<Record<keyof typeof toldFields, number>[]>`
    select count(*) filter (where told) as "alertsTold",
           count(*) filter (where not told and resolved_at is not null) as "alertsCancelled",
           count(*) filter (where not told and resolved_at is null and muted is not null) as "alertsMuted",
           count(*) filter (where not told and resolved_at is null and muted is null) as "alertsPending"
    from standing s
    cross join lateral (
      select exists (
        select 1 from notification_alert a join notification n on n.id = a.notification_id
        where a.alert_id = s.alert_id and n.state in ('sent', 'delivered', 'bounced')) as told
    ) message
    where telling > 0`
  return counts as Record<keyof typeof toldFields, number>
}
