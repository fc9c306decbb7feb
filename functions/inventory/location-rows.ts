import type { Queryable } from '../../shared/data/postgres.ts'

export interface LocationRow {
  readonly code: string
  readonly name: string
  readonly timeZone: string
  readonly priority: number
  readonly active: boolean
  readonly version: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** The location as it is now, or undefined when its version is another one. */
export async function putLocation(
  sql: Queryable,
  { code, name, timeZone, priority, active }: Omit<LocationRow, 'version' | 'createdAt' | 'updatedAt'>,
  ifMatch: number,
  now: Date,
): Promise<LocationRow | undefined> {
  const [saved] =
    ifMatch === 0
      ? await sql<LocationRow[]>`
          insert into location (code, name, time_zone, priority, active, version, created_at, updated_at)
          values (${code}, ${name}, ${timeZone}, ${priority}, ${active}, 1, ${now}, ${now})
          on conflict do nothing
          returning code, name, time_zone as "timeZone", priority, active, version, created_at as "createdAt", updated_at as "updatedAt"`
      : await sql<LocationRow[]>`
          update location set name = ${name}, time_zone = ${timeZone}, priority = ${priority}, active = ${active},
            version = version + 1, updated_at = ${now}
          where code = ${code} and version = ${ifMatch}
          returning code, name, time_zone as "timeZone", priority, active, version, created_at as "createdAt", updated_at as "updatedAt"`
  return saved
}

export async function readLocation(sql: Queryable, code: string): Promise<LocationRow | undefined> {
  const [found] = await sql<LocationRow[]>`
    select code, name, time_zone as "timeZone", priority, active, version, created_at as "createdAt", updated_at as "updatedAt"
    from location where code = ${code}`
  return found
}

export const listLocations = (sql: Queryable, after: string | undefined, limit: number): PromiseLike<LocationRow[]> =>
  sql<LocationRow[]>`
    select code, name, time_zone as "timeZone", priority, active, version, created_at as "createdAt", updated_at as "updatedAt"
    from location where ${after ?? null}::text is null or code > ${after ?? null} order by code limit ${limit}`
