import type { Queryable } from '../../shared/data/postgres.ts'
import type { Channel } from './alert-facts.ts'
import type { GroupingLabel, Matcher, Receiver, Route } from './routing.ts'

/** A route as it is kept; times in seconds. */
export interface RouteRow {
  readonly id: string
  readonly position: number
  readonly name: string
  readonly matcher: Matcher
  readonly receivers: readonly Receiver[]
  readonly channels: readonly Channel[]
  readonly groupBy: readonly GroupingLabel[]
  readonly groupWait: number
  readonly groupInterval: number
  readonly urgentGroupWait: number
  readonly urgentGroupInterval: number
  readonly repeatInterval: number | null
  readonly tellRecovery: readonly Channel[]
  readonly continues: boolean
  readonly enabled: boolean
  readonly version: number
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly updatedBy: string
}

const routeColumns = (sql: Queryable) => sql`
  id, position, name, matcher, receivers, to_json(channels) as channels, to_json(group_by) as "groupBy", group_wait as "groupWait", group_interval as "groupInterval",
  urgent_group_wait as "urgentGroupWait", urgent_group_interval as "urgentGroupInterval", repeat_interval as "repeatInterval",
  to_json(tell_recovery) as "tellRecovery", continues, enabled, version, created_at as "createdAt", updated_at as "updatedAt",
  updated_by as "updatedBy"`

/** All that are in use, in the order in which they are asked: a batch of alerts needs them once. */
export async function loadRoutes(sql: Queryable): Promise<Route[]> {
  const rows = await sql<RouteRow[]>`
    select ${routeColumns(sql)} from notification_route where enabled order by position, id`
  return rows.map(routeOf)
}

export const routeOf = (row: RouteRow): Route => ({
  ...row,
  normal: { wait: row.groupWait, interval: row.groupInterval },
  urgent: { wait: row.urgentGroupWait, interval: row.urgentGroupInterval },
})

export async function readRoute(sql: Queryable, id: string): Promise<RouteRow | undefined> {
  const [row] = await sql<RouteRow[]>`select ${routeColumns(sql)} from notification_route where id = ${id}`
  return row
}

export const listRoutes = (
  sql: Queryable,
  after: readonly [position: number, id: string] | undefined,
  limit: number,
): PromiseLike<RouteRow[]> => sql<RouteRow[]>`
  select ${routeColumns(sql)} from notification_route
  where ${after?.[0] ?? null}::int is null or (position, id) > (${after?.[0] ?? null}::int, ${after?.[1] ?? null}::uuid)
  order by position, id limit ${limit}`

export type RouteValues = Omit<RouteRow, 'version' | 'createdAt' | 'updatedAt'>

/** The new route, or the one that a request before this one made with the same id. */
export async function insertRoute(sql: Queryable, route: RouteValues, now: Date): Promise<RouteRow> {
  await sql`
    insert into notification_route (id, position, name, matcher, receivers, channels, group_by, group_wait, group_interval,
      urgent_group_wait, urgent_group_interval, repeat_interval, tell_recovery, continues, enabled, version, created_at, updated_at, updated_by)
    values (${route.id}, ${route.position}, ${route.name}, ${JSON.stringify(route.matcher)}::text::jsonb,
      ${JSON.stringify(route.receivers)}::text::jsonb, ${textArray(route.channels)}::text::text[], ${textArray(route.groupBy)}::text::text[],
      ${route.groupWait}, ${route.groupInterval}, ${route.urgentGroupWait}, ${route.urgentGroupInterval}, ${route.repeatInterval},
      ${textArray(route.tellRecovery)}::text::text[], ${route.continues}, ${route.enabled}, 1, ${now}, ${now}, ${route.updatedBy})
    on conflict (id) do nothing`
  return (await readRoute(sql, route.id)) as RouteRow
}

/** The route as it is now, or undefined when its version is another one. */
export async function updateRoute(sql: Queryable, route: RouteValues, version: number, now: Date): Promise<RouteRow | undefined> {
  const [saved] = await sql<RouteRow[]>`
    update notification_route
    set position = ${route.position}, name = ${route.name}, matcher = ${JSON.stringify(route.matcher)}::text::jsonb,
        receivers = ${JSON.stringify(route.receivers)}::text::jsonb, channels = ${textArray(route.channels)}::text::text[],
        group_by = ${textArray(route.groupBy)}::text::text[], group_wait = ${route.groupWait}, group_interval = ${route.groupInterval},
        urgent_group_wait = ${route.urgentGroupWait}, urgent_group_interval = ${route.urgentGroupInterval},
        repeat_interval = ${route.repeatInterval}, tell_recovery = ${textArray(route.tellRecovery)}::text::text[],
        continues = ${route.continues}, enabled = ${route.enabled}, version = version + 1, updated_at = ${now}, updated_by = ${route.updatedBy}
    where id = ${route.id} and version = ${version}
    returning ${routeColumns(sql)}`
  return saved
}

export async function deleteRoute(sql: Queryable, id: string, version: number): Promise<boolean> {
  const rows = await sql`delete from notification_route where id = ${id} and version = ${version} returning 1`
  return rows.length > 0
}

/** Of plain words: no quoting is needed. */
const textArray = (words: readonly string[]): string => `{${words.join(',')}}`
