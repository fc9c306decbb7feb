import { z } from 'zod'
import { csvPages, csvReply, exportDefinition } from '../../shared/csv/export.ts'
import type { Place } from '../../shared/data/locking-order.ts'
import type { Sql } from '../../shared/data/postgres.ts'
import { Location } from '../../shared/fields.ts'
import { service } from '../../shared/function/declare.ts'
import { streamOperation } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'

const uses = ['db:inventory'] as const

const header = 'sku,location,onHand,reserved,available,safetyStock,backorderLimit,capacity,version'

export const exportStock = streamOperation<Deps<typeof uses>>()({
  ...exportDefinition,
  id: 'stock-export',
  route: 'GET /v1/stock/export',
  summary: 'Export stock levels as CSV',
  description:
    'Every row in the order of location and SKU, each as it was when its page was read. Gzipped when the client accepts that. What `version` says can be sent back with an import of kind `set`.',
  allow: ['stock:read', 'stock:write'],
  input: z.strictObject({ location: Location.optional() }),
  output: z.string(),
  async handle({ db }, { location }, call) {
    const pages = csvPages<ExportedRow>(header, (after, limit) => exportedPage(db.inventory.sql, location, after, limit))
    return csvReply('stock.csv', pages, call.headers['accept-encoding'])
  },
})

export const inventoryExport = service({
  name: 'inventory-export',
  summary: 'Export stock levels',
  uses,
  scale: { max: 2, concurrency: 4, timeout: 600, memory: 384 },
  operations: [exportStock],
})

interface ExportedRow extends Place {
  readonly line: string
}

/** No SKU and no location holds what CSV would have to quote. */
const exportedPage = (sql: Sql, location: string | undefined, after: Place | undefined, limit: number) => sql<ExportedRow[]>`
  select sku, location,
         concat_ws(',', sku, location, on_hand, reserved, on_hand - reserved - safety_stock, safety_stock, backorder_limit,
                   coalesce(capacity::text, ''), version) as line
  from stock
  where (${location ?? null}::text is null or location = ${location ?? null})
    and (location, sku) > (${after?.location ?? ''}, ${after?.sku ?? ''})
  order by location, sku
  limit ${limit}`
