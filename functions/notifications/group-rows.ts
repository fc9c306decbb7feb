import type { Queryable, Tx } from '../../shared/data/postgres.ts'
import type { Grouping, Lane } from './grouping.ts'
import type { Standing } from './standing.ts'
import { standingColumns } from './standing-rows.ts'

export interface Group extends Grouping {
  readonly id: string
  readonly key: string
  /** Null: the default route. */
  readonly routeId: string | null
  readonly lane: Lane
}

const groupColumns = (sql: Queryable) => sql`
  g.id, g.key, g.route_id as "routeId", g.lane, g.flush_at as "flushAt", g.opener, g.flushed_at as "flushedAt", g.flushes,
  g.repeat_at as "repeatAt"`

/** Groups with some keys, made where they do not exist, and those in which some alerts are: all locked in the order of their keys. */
export async function lockGroups(
  tx: Tx,
  wanted: readonly Pick<Group, 'key' | 'routeId' | 'lane'>[],
  alertIds: readonly string[],
  newId: () => string,
): Promise<Map<string, Group>> {
  const keys = wanted.map(({ key }) => key)
  if (wanted.length > 0) {
    await tx`
      insert into notification_group (id, key, route_id, lane)
      select * from unnest(
        ${wanted.map(() => newId())}::uuid[], ${keys}::text[], ${wanted.map(({ routeId }) => routeId)}::uuid[],
        ${wanted.map(({ lane }) => lane)}::text[]) as g (id, key, route_id, lane)
      order by key
      on conflict do nothing`
  }
  const rows = await tx<Group[]>`
    select ${groupColumns(tx)} from notification_group g
    where g.key = any (${keys}::text[])
      or g.id in (select group_id from notification_group_alert where alert_id = any (${alertIds}::uuid[]))
    order by g.key for update`
  return new Map(rows.map(group => [group.key, group]))
}

/** Of the named groups those that are still there, locked. */
export const lockGroupsById = (tx: Tx, ids: readonly string[]): PromiseLike<Group[]> => tx<Group[]>`
  select ${groupColumns(tx)} from notification_group g where id = any (${ids}::uuid[]) order by g.key for update`

/** Groups that should have been told by now, the urgent first; those in another's hands are left to it. */
export const lockDueGroups = (tx: Tx, now: Date, limit: number): PromiseLike<Group[]> => tx<Group[]>`
  select ${groupColumns(tx)} from notification_group g
  where flush_at <= ${now} or repeat_at <= ${now}
  order by lane desc, least(flush_at, repeat_at) limit ${limit} for update skip locked`

export async function saveGroups(tx: Tx, groups: readonly Group[]): Promise<void> {
  if (groups.length === 0) return
  const iso = (of: (group: Group) => Date | null) => groups.map(group => of(group)?.toISOString() ?? null)
  await tx`
    update notification_group g
    set flush_at = s.flush_at, opener = s.opener, flushed_at = s.flushed_at, flushes = s.flushes, repeat_at = s.repeat_at
    from unnest(
      ${groups.map(({ id }) => id)}::uuid[], ${iso(g => g.flushAt)}::timestamptz[], ${groups.map(({ opener }) => opener)}::uuid[],
      ${iso(g => g.flushedAt)}::timestamptz[], ${groups.map(({ flushes }) => flushes)}::int[], ${iso(g => g.repeatAt)}::timestamptz[]
    ) as s (id, flush_at, opener, flushed_at, flushes, repeat_at)
    where g.id = s.id`
}

export const leaveGroups = (tx: Tx, alertIds: readonly string[]): PromiseLike<unknown> => tx`
  delete from notification_group_alert where alert_id = any (${alertIds}::uuid[])`

export const joinGroups = (
  tx: Tx,
  members: readonly { groupId: string; alertId: string; telling: number }[],
): PromiseLike<unknown> => tx`
  insert into notification_group_alert (group_id, alert_id, telling)
  select * from unnest(
    ${members.map(({ groupId }) => groupId)}::uuid[], ${members.map(({ alertId }) => alertId)}::uuid[],
    ${members.map(({ telling }) => telling)}::int[])`

export interface Member extends Standing {
  readonly groupId: string
  /** Told in this group before. */
  readonly wasTold: boolean
}

export const loadMembers = (tx: Tx, groupIds: readonly string[]): PromiseLike<Member[]> => tx<Member[]>`
  select m.group_id as "groupId", m.told_at is not null as "wasTold", ${standingColumns(tx)}
  from notification_group_alert m join standing s on s.alert_id = m.alert_id
  where m.group_id = any (${groupIds}::uuid[])`

export const noteTold = (tx: Tx, groupIds: readonly string[], now: Date): PromiseLike<unknown> => tx`
  update notification_group_alert set told_at = ${now} where group_id = any (${groupIds}::uuid[]) and told_at is null`

/** Groups that wait for the handler of one of these events. */
export const openedBy = (
  sql: Queryable,
  eventIds: readonly string[],
): PromiseLike<{ id: string; opener: string; flushAt: Date }[]> => sql<{ id: string; opener: string; flushAt: Date }[]>`
  select id, opener, flush_at as "flushAt" from notification_group where opener = any (${eventIds}::uuid[]) and flush_at is not null`
