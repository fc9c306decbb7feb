import type { Sql, Tx } from '../../shared/data/postgres.ts'
import type { ChannelName, Message } from './channels/channel.ts'
import type { NotificationState } from './notification-state.ts'
import type { Priority } from './retry-plan.ts'

/** A notification that this process has taken to send: nobody else takes it before `sendingUntil`. */
export interface Claimed {
  readonly kind: 'claimed'
  readonly id: string
  readonly channel: ChannelName
  readonly attempts: number
  readonly priority: Priority
  readonly severity: string | null
  readonly about: Message['kind']
  readonly alertId: string | null
  readonly contactId: string | null
  /** Sealed: the contact's as it is now, else the one that the message was planned with. */
  readonly address: string
  readonly secrets: string | null
  readonly contactIsGone: boolean
  readonly disabledReason: string | null
  readonly subject: string
  readonly body: string | null
  readonly html: string | null
  readonly payload: unknown
  readonly createdAt: Date
}

/** Not ours to send now: settled, cancelled, not due, or in another's hands. `at` is when it is due. */
export interface NotClaimed {
  readonly kind: 'left'
  readonly state: NotificationState | undefined
  readonly at: Date | null
}

export type Claim = Claimed | NotClaimed

/**
 * Takes notifications that wait and are due, all in one statement: queued ones, and those that another process has not settled in its
 * time. A cancelled or settled one is left as it is.
 */
export async function claimRows(sql: Sql, ids: readonly string[], newId: () => string, now: Date, until: Date): Promise<Claim[]> {
  const unique = [...new Set(ids)]
  const rows = await sql<(Claimed & { claimed: boolean; state: NotificationState; at: Date | null })[]>`
    with taken as (
      update notification n set state = 'sending', attempts = attempts + 1, next_attempt_at = ${until}, updated_at = ${now}
      where id in (
        select id from notification
        where id = any (${unique}::uuid[]) and state in ('queued', 'sending') and (next_attempt_at is null or next_attempt_at <= ${now})
        order by id for update skip locked)
      returning id, attempts
    ), told as (
      insert into notification_history (id, notification_id, at, state, detail)
      select h.id, taken.id, ${now}, 'sending', 'try ' || taken.attempts
      from taken join unnest(${unique}::uuid[], ${unique.map(() => newId())}::uuid[]) as h (of, id) on h.of = taken.id
    )
    select n.id, n.channel, n.priority, n.severity, n.kind as about, n.alert_id as "alertId", n.contact_id as "contactId",
           coalesce(c.address, n.recipient) as address, c.secrets, n.contact_id is not null and c.id is null as "contactIsGone",
           case when c.disabled_at is not null then coalesce(c.disabled_reason, 'disabled') end as "disabledReason",
           n.subject, n.body, n.html, n.payload, n.created_at as "createdAt",
           n.state, n.next_attempt_at as at, taken.attempts, taken.id is not null as claimed
    from notification n left join taken on taken.id = n.id left join contact c on c.id = n.contact_id
    where n.id = any (${unique}::uuid[])`
  const found = new Map(rows.map(row => [row.id, row]))
  return ids.map((id): Claim => {
    const row = found.get(id)
    // An id that came twice in one batch is claimed once: the row stands in the list one time.
    found.delete(id)
    if (row?.claimed) return { ...row, kind: 'claimed' }
    return {
      kind: 'left',
      state: row?.state ?? (rows.some(known => known.id === id) ? 'sending' : undefined),
      at: row?.at ?? null,
    }
  })
}

/** What became of a try, where nothing else follows from it. */
export interface Settlement {
  readonly id: string
  readonly attempts: number
  readonly state: 'sent' | 'delivered' | 'queued'
  readonly providerId: string | null
  readonly error: string | null
  readonly at: Date | null
  /** Nobody will say more about it: it is not late if nobody does. */
  readonly final: boolean
}

/**
 * What the provider took is true whatever happened to the row meanwhile, unless the provider has said more already; what it did not
 * take waits again only if nobody else has the row. All in one statement.
 */
export async function settleRows(sql: Sql, settled: readonly Settlement[], newId: () => string, now: Date): Promise<void> {
  await sql`
    with given as (
      select * from unnest(
        ${settled.map(({ id }) => id)}::uuid[], ${settled.map(({ attempts }) => attempts)}::int[],
        ${settled.map(({ state }) => state)}::text[], ${settled.map(({ providerId }) => providerId)}::text[],
        ${settled.map(({ error }) => error)}::text[], ${settled.map(({ at }) => at?.toISOString() ?? null)}::timestamptz[],
        ${settled.map(({ final }) => String(final))}::text[], ${settled.map(() => newId())}::uuid[]
      ) as g (id, attempts, state, provider_id, error, at, final, history_id)
    ), done as (
      update notification n
      set state = g.state, provider_id = coalesce(g.provider_id, n.provider_id), error = g.error, next_attempt_at = g.at,
          deliver_by = case when g.final = 'true' then null else n.deliver_by end, updated_at = ${now}
      from given g
      where n.id = g.id and (
        (g.state = 'queued' and n.state = 'sending' and n.attempts = g.attempts)
        or (g.state <> 'queued' and n.state in ('queued', 'sending', 'cancelled')))
      returning n.id
    ), named as (
      update notification n set provider_id = g.provider_id
      from given g where n.id = g.id and g.provider_id is not null and n.state not in ('queued', 'sending', 'cancelled')
    )
    insert into notification_history (id, notification_id, at, state, detail)
    select g.history_id, g.id, ${now}, g.state, g.error from given g join done on done.id = g.id`
}

/** A row that waits for its provider's rate: announced anew when `at` has come. Not a try. */
export const parkRow = (sql: Sql, id: string, at: Date, now: Date): PromiseLike<unknown> => sql`
  update notification set next_attempt_at = ${at}, updated_at = ${now}
  where id = ${id} and state = 'queued' and (next_attempt_at is null or next_attempt_at <= ${now})`

export const insertHistory = (
  tx: Tx,
  rows: readonly { id: string; notificationId: string; state: NotificationState; detail: string | null }[],
  now: Date,
): PromiseLike<unknown> => tx`
  insert into notification_history (id, notification_id, at, state, detail)
  select h.id, h.notification_id, ${now}, h.state, h.detail
  from unnest(${rows.map(({ id }) => id)}::uuid[], ${rows.map(({ notificationId }) => notificationId)}::uuid[],
              ${rows.map(({ state }) => state)}::text[], ${rows.map(({ detail }) => detail)}::text[]) as h (id, notification_id, state, detail)`
