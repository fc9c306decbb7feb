import type { Queryable } from '../../shared/data/postgres.ts'
import type { Channel } from './alert-facts.ts'
import type { Contact, Person, Preference } from './audience.ts'
import type { Receiver } from './routing.ts'

interface Row extends Omit<Person, 'preferences' | 'contacts'> {
  readonly id: string
  readonly preferences: readonly (Preference & { channel: Channel })[]
  readonly contacts: readonly Contact[]
}

const personColumns = (sql: Queryable) => sql`
  r.id, r.name, r.time_zone as "timeZone", r.locale, to_json(r.roles) as roles,
  to_char(r.quiet_from, 'HH24:MI') as "quietFrom", to_char(r.quiet_to, 'HH24:MI') as "quietTo",
  coalesce((select json_agg(group_name) from recipient_group_member m where m.recipient_id = r.id), '[]') as groups,
  coalesce((
    select json_agg(json_build_object('channel', channel, 'minimumSeverity', minimum_severity,
      'digestAt', to_char(digest_at, 'HH24:MI'), 'optedOut', opted_out))
    from preference p where p.recipient_id = r.id), '[]') as preferences,
  coalesce((
    select json_agg(json_build_object('id', id, 'channel', channel, 'address', address) order by created_at, id)
    from contact c where c.recipient_id = r.id and disabled_at is null), '[]') as contacts`

/** Everybody whom some receivers mean, with the contacts that can be used. */
export async function loadPeople(sql: Queryable, receivers: readonly Receiver[]): Promise<Person[]> {
  if (receivers.length === 0) return []
  const ids = receivers.flatMap(receiver => ('recipient' in receiver ? [receiver.recipient] : []))
  const groups = receivers.flatMap(receiver => ('group' in receiver ? [receiver.group] : []))
  const roles = receivers.flatMap(receiver => ('role' in receiver ? [receiver.role] : []))
  const rows = await sql<Row[]>`
    select ${personColumns(sql)} from recipient r
    where r.id = any (${ids}::uuid[]) or r.roles && ${roles}::text[]
      or r.id in (select recipient_id from recipient_group_member where group_name = any (${groups}::text[]))
    order by r.id`
  return rows.map(personOf)
}

export async function loadPeopleById(sql: Queryable, ids: readonly string[]): Promise<Map<string, Person>> {
  if (ids.length === 0) return new Map()
  const rows = await sql<Row[]>`select ${personColumns(sql)} from recipient r where r.id = any (${ids}::uuid[])`
  return new Map(rows.map(row => [row.id, personOf(row)]))
}

const personOf = (row: Row): Person => ({
  ...row,
  preferences: Object.fromEntries(row.preferences.map(({ channel, ...preference }) => [channel, preference])),
})
