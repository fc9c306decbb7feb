import type { z } from 'zod'
import type { Queryable } from '../../shared/data/postgres.ts'
import type { StockLevel } from './stock.ts'
import { type Walked, walkLimit } from './walk.ts'

export type Level = z.output<typeof StockLevel>

export async function readLevel(sql: Queryable, sku: string, location: string): Promise<Level | undefined> {
  const [level] = await sql<Level[]>`
    select sku, location, on_hand as "onHand", reserved, on_hand - reserved - safety_stock as available, version
    from stock where sku = ${sku} and location = ${location}`
  return level
}

/** What there is of a SKU, at every location. */
export const readLevels = (sql: Queryable, sku: string): PromiseLike<Level[]> => sql<Level[]>`
  select sku, location, on_hand as "onHand", reserved, on_hand - reserved - safety_stock as available, version
  from stock where sku = ${sku} order by location`

export interface LevelFilter {
  readonly skus?: readonly string[] | undefined
  readonly prefix?: string | undefined
  readonly location?: string | undefined
  /** Levels with fewer units available. */
  readonly below?: number | undefined
}

export type LevelOrder = 'location' | 'sku'

/** A search goes through the SKUs, everything else through the locations: each is the order of an index. */
export const orderOf = ({ prefix, location }: LevelFilter): LevelOrder =>
  prefix !== undefined && location === undefined ? 'sku' : 'location'

/**
 * How low stock is has no index: one on the totals would take the updates of every sale off the heap-only path, which keeps the
 * indexes of `stock` untouched. So a page of low levels walks a bounded number of rows.
 */
export const levelsLookedAt = ({ below }: LevelFilter, limit: number): number =>
  below === undefined ? limit + 1 : Math.max(walkLimit, limit + 1)

/** Levels in the order of the filter, at most `limit` + 1: those that match, and the last that was looked at. */
export function listLevels(
  sql: Queryable,
  filter: LevelFilter,
  after: { readonly location: string; readonly sku: string } | undefined,
  limit: number,
): PromiseLike<(Level & Walked)[]> {
  const { skus, prefix, location, below } = filter
  const bySku = orderOf(filter) === 'sku'
  return sql<(Level & Walked)[]>`
    with looked_at as (
      select sku, location, on_hand as "onHand", reserved, on_hand - reserved - safety_stock as available, version
      from ${skus === undefined ? sql`stock` : chosen(sql, skus)}
      where true
        ${prefix === undefined ? sql`` : sql`and sku >= ${prefix} and sku < ${afterPrefix(prefix)}`}
        ${location === undefined ? sql`` : sql`and location = ${location}`}
        ${
          !after
            ? sql``
            : bySku
              ? sql`and (sku, location) > (${after.sku}, ${after.location})`
              : location === undefined
                ? sql`and (location, sku) > (${after.location}, ${after.sku})`
                : sql`and sku > ${after.sku}`
        }
      order by ${bySku ? sql`sku, location` : sql`location, sku`}
      limit ${levelsLookedAt(filter, limit)}
    ), judged as (
      select *, row_number() over (order by ${bySku ? sql`sku, location` : sql`location, sku`}) as position,
             ${below ?? null}::bigint is null or available < ${below ?? null}::bigint as matches
      from looked_at
    )
    select * from judged
    where matches or position = ${levelsLookedAt(filter, limit)}
    order by position
    limit ${limit + 1}`
}

/** `offset 0` keeps the planner from walking all stock by location in the hope to meet these SKUs early. */
const chosen = (sql: Queryable, skus: readonly string[]) =>
  sql`(select * from stock where sku = any (${skus}::text[]) offset 0) stock`

/** Above everything that begins with it: no character of a SKU comes after DEL in byte order. */
const afterPrefix = (prefix: string): string => `${prefix}\u007f`
