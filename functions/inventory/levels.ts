import type { z } from 'zod'
import type { Queryable } from '../../shared/data/postgres.ts'
import type { StockLevel } from './stock.ts'

export type Level = z.output<typeof StockLevel>

export async function readLevel(sql: Queryable, sku: string, location: string): Promise<Level | undefined> {
  const [level] = await sql<Level[]>`
    select sku, location, on_hand as "onHand", reserved, on_hand - reserved - safety_stock as available, version
    from stock where sku = ${sku} and location = ${location}`
  return level
}

/** Levels after `after` in the order of location and SKU, of some SKUs or of all. */
export const listLevels = (
  sql: Queryable,
  filter: {
    skus: readonly string[] | undefined
    location: string | undefined
    after: readonly string[] | undefined
    limit: number
  },
): PromiseLike<Level[]> => sql<Level[]>`
  select sku, location, on_hand as "onHand", reserved, on_hand - reserved - safety_stock as available, version
  from stock
  where (${filter.skus ?? null}::text[] is null or sku = any (${filter.skus ?? null}::text[]))
    and (${filter.location ?? null}::text is null or location = ${filter.location ?? null})
    and (${filter.after?.[0] ?? null}::text is null or (location, sku) > (${filter.after?.[0] ?? null}, ${filter.after?.[1] ?? null}))
  order by location, sku
  limit ${filter.limit}`
