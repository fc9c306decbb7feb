import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { z } from 'zod'
import type { Sql } from '../../shared/data/postgres.ts'
import { Location } from '../../shared/fields.ts'
import { service } from '../../shared/function/declare.ts'
import { StreamReply, streamOperation } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'

const uses = ['db:inventory'] as const

/** Rows of one query: some 300 kB of text, and a short read for the database. */
const pageRows = 5_000

const header = 'sku,location,onHand,reserved,available,safetyStock,backorderLimit,capacity,version\n'

export const exportStock = streamOperation<Deps<typeof uses>>()({
  id: 'stock-export',
  route: 'GET /v1/stock/export',
  summary: 'Export stock levels as CSV',
  description:
    'Every row in the order of location and SKU, each as it was when its page was read. Gzipped when the client accepts that. What `version` says can be sent back with an import of kind `set`.',
  allow: ['stock:read', 'stock:write'],
  deadline: 570_000,
  streams: { takes: [], gives: 'text/csv' },
  input: z.strictObject({ location: Location.optional() }),
  output: z.string(),
  async handle({ db }, { location }, call) {
    const text = Readable.from(csvPages(db.inventory.sql, location), { highWaterMark: 1 })
    const headers = {
      'content-type': 'text/csv; charset=utf-8; header=present',
      'content-disposition': 'attachment; filename="stock.csv"',
      vary: 'accept-encoding',
    }
    if (!/\bgzip\b(?!\s*;\s*q=0(?:\.0*)?(?:,|\s|$))/.test(String(call.headers['accept-encoding'] ?? ''))) {
      return new StreamReply(200, text, headers)
    }
    const gzip = createGzip({ level: 3 })
    text.on('error', error => gzip.destroy(error))
    gzip.on('close', () => text.destroy())
    return new StreamReply(200, text.pipe(gzip), { ...headers, 'content-encoding': 'gzip' })
  },
})

export const inventoryExport = service({
  name: 'inventory-export',
  summary: 'Export stock levels',
  uses,
  scale: { max: 2, concurrency: 4, timeout: 600, memory: 384 },
  operations: [exportStock],
})

/** The next page is read when the client has taken the one before. No SKU and no location holds what CSV would have to quote. */
async function* csvPages(sql: Sql, location: string | undefined): AsyncGenerator<string> {
  yield header
  let after: { sku: string; location: string } | undefined
  for (;;) {
    const rows = await exportedPage(sql, location, after)
    const last = rows.at(-1)
    if (!last) return
    yield rows.map(row => `${row.line}\n`).join('')
    if (rows.length < pageRows) return
    after = last
  }
}

const exportedPage = (sql: Sql, location: string | undefined, after: { sku: string; location: string } | undefined) => sql<
  { sku: string; location: string; line: string }[]
>`
  select sku, location,
         concat_ws(',', sku, location, on_hand, reserved, on_hand - reserved - safety_stock, safety_stock, backorder_limit,
                   coalesce(capacity::text, ''), version) as line
  from stock
  where (${location ?? null}::text is null or location = ${location ?? null})
    and (location, sku) > (${after?.location ?? ''}, ${after?.sku ?? ''})
  order by location, sku
  limit ${pageRows}`
