import type { Tx } from '../../shared/data/postgres.ts'
import type { Channel } from './alert-facts.ts'

export interface DigestPart {
  readonly recipientId: string
  readonly channel: Channel
  readonly dueAt: Date
  readonly alerts: readonly { readonly alertId: string; readonly telling: number }[]
  readonly tellsRecovery: boolean
}

/** Puts alerts into the open digests of their recipients; the first of a digest opens it. */
export async function joinDigests(tx: Tx, parts: readonly DigestPart[], newId: () => string, now: Date): Promise<void> {
  if (parts.length === 0) return
  const digests = [...new Map(parts.map(part => [`${part.recipientId} ${part.channel}`, part])).entries()]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([, part]) => part)
  const rows = await tx<{ id: string; recipientId: string; channel: Channel }[]>`
    insert into digest as d (id, recipient_id, channel, due_at, created_at)
    select id, recipient_id, channel, due_at, ${now}
    from unnest(${digests.map(() => newId())}::uuid[], ${digests.map(({ recipientId }) => recipientId)}::uuid[],
      ${digests.map(({ channel }) => channel)}::text[], ${digests.map(({ dueAt }) => dueAt.toISOString())}::timestamptz[])
      as part (id, recipient_id, channel, due_at)
    on conflict (recipient_id, channel) where closed_at is null do update set due_at = least(d.due_at, excluded.due_at)
    returning id, recipient_id as "recipientId", channel`
  const idOf = new Map(rows.map(row => [`${row.recipientId} ${row.channel}`, row.id]))
  const items = new Map(
    parts.flatMap(part =>
      part.alerts.map(alert => {
        const digestId = idOf.get(`${part.recipientId} ${part.channel}`) as string
        return [`${digestId} ${alert.alertId}`, { digestId, ...alert, tellsRecovery: part.tellsRecovery }]
      }),
    ),
  )
  const all = [...items.values()]
  await tx`
    insert into digest_alert as d (digest_id, alert_id, telling, tells_recovery)
    select digest_id, alert_id, telling, tells_recovery::boolean
    from unnest(${all.map(item => item.digestId)}::uuid[], ${all.map(item => item.alertId)}::uuid[], ${all.map(item => item.telling)}::int[],
      ${all.map(item => String(item.tellsRecovery))}::text[]) as item (digest_id, alert_id, telling, tells_recovery)
    on conflict (digest_id, alert_id) do update
      set telling = greatest(d.telling, excluded.telling), tells_recovery = d.tells_recovery or excluded.tells_recovery`
}

export interface DueDigest {
  readonly id: string
  readonly recipientId: string
  readonly channel: Channel
  readonly alertIds: readonly string[]
  readonly tellsRecovery: boolean
}

/** Closes digests whose time has come. */
export async function closeDigests(tx: Tx, now: Date, limit: number): Promise<DueDigest[]> {
  const due = await tx<{ id: string }[]>`
    update digest set closed_at = ${now}
    where id in (
      select id from digest where closed_at is null and due_at <= ${now} order by due_at limit ${limit} for update skip locked)
    returning id`
  if (due.length === 0) return []
  return tx<DueDigest[]>`
    select d.id, d.recipient_id as "recipientId", d.channel,
      coalesce((select json_agg(alert_id) from digest_alert a where a.digest_id = d.id), '[]') as "alertIds",
      coalesce((select bool_or(tells_recovery) from digest_alert a where a.digest_id = d.id), false) as "tellsRecovery"
    from digest d where d.id = any (${due.map(({ id }) => id)}::uuid[])`
}

/** Takes alerts that ended out of the digests that are still open. */
export async function leaveDigests(tx: Tx, alertIds: readonly string[]): Promise<void> {
  // Locked first: one that is being closed at this moment has told them already.
  await tx`
    select 1 from digest
    where closed_at is null and id in (select digest_id from digest_alert where alert_id = any (${alertIds}::uuid[]))
    order by id for update`
  await tx`
    delete from digest_alert a using digest d
    where d.id = a.digest_id and d.closed_at is null and a.alert_id = any (${alertIds}::uuid[])`
}
