import type { Queryable } from '../../shared/data/postgres.ts'
import { type Walked, walkLimit } from './walk.ts'

/** What is asked of the ledger. Times are ISO 8601; `from` belongs to the span, `to` does not. */
export interface MovementFilter {
  readonly sku?: string | undefined
  readonly location?: string | undefined
  readonly reference?: string | undefined
  readonly kind?: string | undefined
  readonly actor?: string | undefined
  readonly from?: string | undefined
  readonly to?: string | undefined
}

export interface MovementRow extends Walked {
  readonly sku: string
  readonly location: string
  readonly version: number
  readonly kind: string
  readonly onHandDelta: number
  readonly reservedDelta: number
  readonly reason: string | null
  readonly reference: string | null
  readonly actor: string
  readonly at: Date
  /** `at` in microseconds since 1970, as exact as it is stored. */
  readonly micros: number
}

/** The last movement of the page before. */
export interface MovementKey {
  readonly micros: string
  readonly sku: string
  readonly location: string
  readonly version: string
}

/** The filters that an index does not serve, given the one that leads; a page looks at a bounded number of rows then. */
const leftBy = (filter: MovementFilter): boolean => {
  const { reference, sku, location, kind, actor } = filter
  if (kind !== undefined || actor !== undefined) return true
  if (reference !== undefined) return sku !== undefined || location !== undefined
  return sku !== undefined && location !== undefined && !isPlace(filter)
}

/** One row of stock at any time: its versions are its order, exact even where the clocks of two instances differ. */
const isPlace = ({ sku, location, reference, from, to }: MovementFilter): boolean =>
  sku !== undefined && location !== undefined && reference === undefined && from === undefined && to === undefined

export const lookedAt = (filter: MovementFilter, limit: number): number =>
  leftBy(filter) ? Math.max(walkLimit, limit + 1) : limit + 1

/**
 * The same as a constant, at least so large: for a limit that it does not know the planner takes a tenth of the ledger, and plans anew
 * for each call, which for some ten months takes longer than to read the page.
 */
const constantLimit = (looked: number): string => String(2 ** Math.ceil(Math.log2(looked)))

/**
 * Movements newest first, at most `limit` + 1: those that match, and the last that was looked at. Which conditions lead is chosen
 * here and not by the planner, which would rather read a long index backwards in the hope of an early match.
 */
export function listMovements(
  sql: Queryable,
  filter: MovementFilter,
  after: MovementKey | undefined,
  limit: number,
): PromiseLike<MovementRow[]> {
  const { sku, location, reference, kind, actor, from, to } = filter
  const place = isPlace(filter)
  const looked = lookedAt(filter, limit)
  const isAtLocation = reference === undefined && sku === undefined && location !== undefined
  const leads =
    reference !== undefined
      ? sql`reference = ${reference}`
      : sku !== undefined
        ? sql`sku = ${sku}`
        : isAtLocation
          ? atLocation(sql, location, filter, after)
          : sql`true`
  const start =
    !after || isAtLocation
      ? sql``
      : place
        ? sql`and version < ${after.version}::bigint`
        : sql`and (at, sku, location, version) < (${moment(sql, after)}, ${after.sku}, ${after.location}, ${after.version}::bigint)`
  const order = place
    ? sql`version desc`
    : isAtLocation
      ? sql`location desc, at desc, sku desc, version desc`
      : sql`at desc, sku desc, location desc, version desc`
  return sql<MovementRow[]>`
    with looked_at as (
      select *, row_number() over (order by ${order}) as position
      from (
        select sku, location, version, kind, on_hand_delta, reserved_delta, reason, reference, actor, at
        from movement
        where ${leads} ${place ? sql`and location = ${location as string}` : sql``} ${start}
          ${from === undefined || isAtLocation ? sql`` : sql`and at >= ${from}::timestamptz`}
          ${to === undefined || isAtLocation ? sql`` : sql`and at < ${to}::timestamptz`}
        order by ${order}
        limit ${sql.unsafe(constantLimit(looked))}
      ) ordered
    ), judged as (
      select *, (${sku ?? null}::text is null or sku = ${sku ?? null})
            and (${location ?? null}::text is null or location = ${location ?? null})
            and (${kind ?? null}::text is null or kind = ${kind ?? null})
            and (${actor ?? null}::text is null or actor = ${actor ?? null}) as matches
      from looked_at
    )
    select sku, location, version, kind, on_hand_delta as "onHandDelta", reserved_delta as "reservedDelta", reason, reference, actor,
           at, (extract(epoch from at) * 1000000)::bigint as micros, position, matches
    from judged
    where position <= ${looked} and (matches or position = ${looked})
    order by position
    limit ${limit + 1}`
}

const moment = (sql: Queryable, { micros }: MovementKey) =>
  sql`timestamptz 'epoch' + ${micros}::bigint * interval '1 microsecond'`

/**
 * There are few locations, so the planner would do with the index of time alone, and read everything where a location is rare. Compared
 * as pairs and in the pairs' order no other index serves than theirs. A comparison of one of the two beside them would begin each page
 * elsewhere than behind the last one: at the newest, or by skipping from location to location.
 */
const atLocation = (sql: Queryable, location: string, { from, to }: MovementFilter, after: MovementKey | undefined) => sql`
  (location, at) >= (${location}, ${from === undefined ? sql`timestamptz '-infinity'` : sql`${from}::timestamptz`})
  and ${
    after
      ? // Of two bounds on one side the wrong one may be begun at: the other is made one that no index knows.
        sql`(location, at, sku, version) < (${location}, ${moment(sql, after)}, ${after.sku}, ${after.version}::bigint)
            ${to === undefined ? sql`` : sql`and at + interval '0' < ${to}::timestamptz`}`
      : sql`(location, at) < (${location}, ${to === undefined ? sql`timestamptz 'infinity'` : sql`${to}::timestamptz`})`
  }`
