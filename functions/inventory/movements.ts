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
  const [column, value, isFew] =
    reference !== undefined
      ? [sql`reference`, reference]
      : sku !== undefined
        ? [sql`sku`, sku]
        : location !== undefined
          ? [sql`location`, location, true]
          : []
  // There are few locations, and the index of time alone would do for the planner: not with the location in each comparison.
  const [columns, values] = isFew ? [sql`location, at`, sql`${location as string},`] : [sql`at`, sql``]
  const start = !after
    ? sql``
    : place
      ? sql`and version < ${after.version}::bigint`
      : sql`and (${columns}, sku, location, version) < (
          ${values} timestamptz 'epoch' + ${after.micros}::bigint * interval '1 microsecond',
          ${after.sku}, ${after.location}, ${after.version}::bigint)`
  const order = place ? sql`version desc` : sql`at desc, sku desc, location desc, version desc`
  return sql<MovementRow[]>`
    with looked_at as (
      select *, row_number() over (order by ${order}) as position
      from (
        select sku, location, version, kind, on_hand_delta, reserved_delta, reason, reference, actor, at
        from movement
        where ${column ? sql`${column} = ${value as string}` : sql`true`}
          ${place ? sql`and location = ${location as string}` : sql``} ${start}
          ${from === undefined ? sql`` : sql`and (${columns}) >= (${values} ${from}::timestamptz)`}
          ${to === undefined ? sql`` : sql`and (${columns}) < (${values} ${to}::timestamptz)`}
        order by ${order}
        limit ${lookedAt(filter, limit)}
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
    where matches or position = ${lookedAt(filter, limit)}
    order by position
    limit ${limit + 1}`
}
