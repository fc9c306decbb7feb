import type { Queryable, Tx } from '../../shared/data/postgres.ts'
import type { Channel } from './alert-facts.ts'
import type { Preference } from './audience.ts'

export interface ContactRow {
  readonly id: string
  readonly channel: Channel
  /** Sealed. */
  readonly address: string
  readonly disabledAt: string | null
  readonly disabledReason: string | null
  readonly createdAt: string
}

export interface RecipientRow {
  readonly id: string
  /** Sealed. */
  readonly name: string
  readonly timeZone: string
  readonly locale: string
  readonly roles: readonly string[]
  readonly quietFrom: string | null
  readonly quietTo: string | null
  readonly version: number
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly groups: readonly string[]
  readonly preferences: readonly (Preference & { readonly channel: Channel })[]
  readonly contacts: readonly ContactRow[]
}

export type RecipientValues = Pick<RecipientRow, 'id' | 'name' | 'timeZone' | 'locale' | 'roles' | 'quietFrom' | 'quietTo'>

const recipientColumns = (sql: Queryable) => sql`
  r.id, r.name, r.time_zone as "timeZone", r.locale, to_json(r.roles) as roles, to_char(r.quiet_from, 'HH24:MI') as "quietFrom",
  to_char(r.quiet_to, 'HH24:MI') as "quietTo", r.version, r.created_at as "createdAt", r.updated_at as "updatedAt",
  coalesce((select json_agg(group_name order by group_name) from recipient_group_member m where m.recipient_id = r.id), '[]') as groups,
  coalesce((
    select json_agg(json_build_object('channel', channel, 'minimumSeverity', minimum_severity,
      'digestAt', to_char(digest_at, 'HH24:MI'), 'optedOut', opted_out) order by channel)
    from preference p where p.recipient_id = r.id), '[]') as preferences,
  coalesce((
    select json_agg(json_build_object('id', id, 'channel', channel, 'address', address, 'disabledAt', disabled_at,
      'disabledReason', disabled_reason, 'createdAt', created_at) order by created_at, id)
    from contact c where c.recipient_id = r.id), '[]') as contacts`

export async function readRecipient(sql: Queryable, id: string): Promise<RecipientRow | undefined> {
  const [row] = await sql<RecipientRow[]>`select ${recipientColumns(sql)} from recipient r where id = ${id}`
  return row
}

export const listRecipients = (
  sql: Queryable,
  {
    role,
    group,
    after,
    limit,
  }: { role?: string | undefined; group?: string | undefined; after?: readonly [string, string] | undefined; limit: number },
): PromiseLike<RecipientRow[]> => sql<RecipientRow[]>`
  select ${recipientColumns(sql)} from recipient r
  where (${role ?? null}::text is null or ${role ?? null} = any (roles))
    and (${group ?? null}::text is null or id in (select recipient_id from recipient_group_member where group_name = ${group ?? null}))
    and (${after?.[0] ?? null}::timestamptz is null or (created_at, id) < (${after?.[0] ?? null}::timestamptz, ${after?.[1] ?? null}::uuid))
  order by created_at desc, id desc limit ${limit}`

/** Nothing happens when a request before this one made the same one. */
export const insertRecipient = (sql: Queryable, r: RecipientValues, now: Date): PromiseLike<unknown> => sql`
  insert into recipient (id, name, time_zone, locale, roles, quiet_from, quiet_to, version, created_at, updated_at)
  values (${r.id}, ${r.name}, ${r.timeZone}, ${r.locale}, ${`{${r.roles.join(',')}}`}::text::text[], ${r.quietFrom}::text::time, ${r.quietTo}::text::time,
    1, ${now}, ${now})
  on conflict (id) do nothing`

/** False when the version is another one. */
export async function updateRecipient(sql: Queryable, r: RecipientValues, version: number, now: Date): Promise<boolean> {
  const rows = await sql`
    update recipient
    set name = ${r.name}, time_zone = ${r.timeZone}, locale = ${r.locale}, roles = ${`{${r.roles.join(',')}}`}::text::text[],
        quiet_from = ${r.quietFrom}::text::time, quiet_to = ${r.quietTo}::text::time, version = version + 1, updated_at = ${now}
    where id = ${r.id} and version = ${version} returning 1`
  return rows.length > 0
}

/** All preferences of a recipient at once. False when the version is another one. */
export async function replacePreferences(
  tx: Tx,
  id: string,
  preferences: readonly (Preference & { readonly channel: Channel })[],
  version: number,
  now: Date,
): Promise<boolean> {
  const rows = await tx`
    update recipient set version = version + 1, updated_at = ${now} where id = ${id} and version = ${version} returning 1`
  if (rows.length === 0) return false
  await tx`delete from preference where recipient_id = ${id}`
  await tx`
    insert into preference (recipient_id, channel, minimum_severity, digest_at, opted_out)
    select ${id}::uuid, channel, minimum_severity, digest_at::time, opted_out::boolean
    from unnest(${preferences.map(p => p.channel)}::text[], ${preferences.map(p => p.minimumSeverity)}::text[],
      ${preferences.map(p => p.digestAt)}::text[], ${preferences.map(p => String(p.optedOut))}::text[])
      as p (channel, minimum_severity, digest_at, opted_out)`
  return true
}

/**
 * Deletes a person with all that reaches them. What still waits for them is cancelled; what they were told stays, and records-forget
 * takes the address and the words out of it. False when the version is another one.
 * @param replacement sealed: what stands in place of the address
 */
export async function forgetRecipient(
  tx: Tx,
  { id, version, replacement, by, now }: { id: string; version: number; replacement: string; by: string; now: Date },
): Promise<boolean> {
  const rows = await tx`delete from recipient where id = ${id} and version = ${version} returning 1`
  if (rows.length === 0) return false
  await tx`
    insert into recipient_forgotten (id, replacement, forgotten_at, forgotten_by) values (${id}, ${replacement}, ${now}, ${by})
    on conflict do nothing`
  await tx`
    with stopped as (
      update notification set state = 'cancelled', held = false, next_attempt_at = null, deliver_by = null, updated_at = ${now}
      where recipient_id = ${id} and state = 'queued' returning id
    )
    insert into notification_history (id, notification_id, at, state, detail)
    select gen_random_uuid(), id, ${now}, 'cancelled', 'its recipient was forgotten' from stopped`
  return true
}
