import type { Sql } from '../../shared/data/postgres.ts'
import type { SourceLocation } from './sources.ts'

/** Locations a SKU is looked for in, the first by priority: all of them are locked. */
const lookedAt = 100

/** The active locations that could give some of each SKU, now or when reservations end. */
export async function loadSources(connection: Sql, skus: readonly string[]): Promise<Map<string, SourceLocation[]>> {
  if (skus.length === 0) return new Map()
  const found = await connection<(SourceLocation & { sku: string })[]>`
    select sku, location, priority from (
      select s.sku, s.location, coalesce(l.priority, 100) as priority,
             row_number() over (partition by s.sku order by coalesce(l.priority, 100), s.location) as nth
      from stock s left join location l on l.code = s.location
      where s.sku = any (${[...new Set(skus)]}::text[]) and coalesce(l.active, true)
        and s.on_hand + s.backorder_limit > s.safety_stock
    ) candidate
    where nth <= ${lookedAt}`
  return Map.groupBy(found, ({ sku }) => sku)
}
