import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import { Rejected } from '../../shared/errors.ts'
import { Location, page, pageQuery, Sku } from '../../shared/fields.ts'
import { entityTag } from '../../shared/function/operate.ts'
import { Reply } from '../../shared/function/operation.ts'
import { stockOperation } from './function.ts'
import { listLevels, readLevel } from './levels.ts'
import { StockLevel } from './stock.ts'

export const readOne = stockOperation({
  id: 'stock-read',
  route: 'GET /v1/stock/{sku}/{location}',
  summary: 'Read the stock of a SKU at a location',
  description: 'The ETag is the version: send it as If-Match to set the stock by count.',
  allow: ['stock:read', 'stock:write'],
  problems: ['not_found'],
  input: z.strictObject({ sku: Sku, location: Location }),
  output: StockLevel,
  async handle({ db }, { sku, location }) {
    const level = await readLevel(db.inventory.sql, sku, location)
    if (!level) throw new Rejected('not_found', `There is no stock of ${sku} at ${location}.`)
    return Reply.of(200, level, { etag: entityTag(level.version) })
  },
})

export const list = stockOperation({
  id: 'stock-list',
  route: 'GET /v1/stock',
  summary: 'List stock',
  description: 'In the order of location and SKU, a page at a time.',
  allow: ['stock:read', 'stock:write'],
  input: z.strictObject({
    sku: z
      .string()
      .transform(text => text.split(','))
      .pipe(z.array(Sku).min(1).max(100))
      .optional()
      .meta({ description: 'Up to 100 SKUs, with commas between them.' }),
    location: Location.optional(),
    ...pageQuery,
  }),
  output: page(StockLevel).meta({ id: 'StockPage' }),
  async handle({ db }, { sku, location, limit, cursor }) {
    const rows = await listLevels(db.inventory.sql, {
      skus: sku,
      location,
      after: decodeCursor(cursor, z.tuple([Location, Sku])),
      limit: limit + 1,
    })
    return pageOf(rows, limit, level => [level.location, level.sku])
  },
})
