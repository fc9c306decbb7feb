import { z } from 'zod'
import { decodeCursor } from '../../shared/cursor.ts'
import { Rejected } from '../../shared/errors.ts'
import { Location, page, pageQuery, Sku } from '../../shared/fields.ts'
import { entityTag } from '../../shared/function/operate.ts'
import { Reply } from '../../shared/function/operation.ts'
import { stockOperation } from './function.ts'
import { type Level, levelsLookedAt, listLevels, orderOf } from './levels.ts'
import { StockLevel } from './stock.ts'
import { type Walked, walkedPage } from './walk.ts'

export const readOne = stockOperation({
  id: 'stock-read',
  route: 'GET /v1/stock/{sku}/{location}',
  summary: 'Read the stock of a SKU at a location',
  description:
    'The ETag is the version: send it as If-Match to set the stock by count. With `Cache-Control: no-cache` it is read from the primary database itself, whatever a cache or a replica holds.',
  allow: ['stock:read', 'stock:write'],
  problems: ['not_found'],
  input: z.strictObject({
    sku: Sku,
    location: Location,
    minVersion: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional().meta({
      description:
        'A version that the caller knows of: the answer is at least as new. Spares the primary where a replica has it.',
    }),
  }),
  output: StockLevel,
  async handle({ reads }, { sku, location, minVersion }, { noCache }) {
    const level = await reads.level(sku, location, { fresh: noCache, minVersion })
    if (!level) throw new Rejected('not_found', `There is no stock of ${sku} at ${location}.`)
    return Reply.of(200, level, { etag: entityTag(level.version) })
  },
})

export const readSku = stockOperation({
  id: 'stock-read-sku',
  route: 'GET /v1/stock/{sku}',
  summary: 'Read the stock of a SKU everywhere',
  description: 'Its levels at all locations, and their sums. `Cache-Control: no-cache` reads the primary database itself.',
  allow: ['stock:read', 'stock:write'],
  problems: ['not_found'],
  input: z.strictObject({ sku: Sku }),
  output: StockLevel.pick({ sku: true, onHand: true, reserved: true, available: true })
    .extend({ levels: z.array(StockLevel) })
    .meta({ id: 'SkuStock' }),
  async handle({ reads }, { sku }, { noCache }) {
    const levels = await reads.levels(sku, { fresh: noCache })
    if (levels.length === 0) throw new Rejected('not_found', `There is no stock of ${sku}.`)
    const sum = (part: 'onHand' | 'reserved' | 'available') => levels.reduce((total, level) => total + level[part], 0)
    return { sku, onHand: sum('onHand'), reserved: sum('reserved'), available: sum('available'), levels: [...levels] }
  },
})

export const list = stockOperation({
  id: 'stock-list',
  route: 'GET /v1/stock',
  summary: 'List, search and find what is low',
  description:
    'A page at a time, in the order of location and SKU, or of SKU and location for a search. A page of what is low may be short or empty while `next` says that there is more.',
  allow: ['stock:read', 'stock:write'],
  input: z.strictObject({
    sku: z
      .string()
      .transform(text => text.split(','))
      .pipe(z.array(Sku).min(1).max(100))
      .optional()
      .meta({ description: 'Up to 100 SKUs, with commas between them.' }),
    q: Sku.optional().meta({ description: 'What the SKU begins with, in either case.', example: '851' }),
    location: Location.optional(),
    low: z
      .enum(['true', 'false'])
      .optional()
      .meta({ description: '`true`: only where nothing is available beyond the safety stock.' }),
    below: z.coerce
      .number()
      .int()
      .min(-1_000_000_000)
      .max(1_000_000_000)
      .optional()
      .meta({ description: 'Only where fewer units are available; goes before `low`.' }),
    ...pageQuery,
  }),
  output: page(StockLevel).meta({ id: 'StockPage' }),
  async handle({ reads }, { sku, q, location, low, below, limit, cursor }) {
    const filter = { skus: sku, prefix: q, location, below: below ?? (low === 'true' ? 1 : undefined) }
    const order = orderOf(filter)
    const key = decodeCursor(cursor, z.tuple([z.literal(order), Location, Sku]))
    const after = key && { location: key[1], sku: key[2] }
    const rows = await reads.list(sql => listLevels(sql, filter, after, limit))
    return walkedPage(rows, {
      limit,
      looked: levelsLookedAt(filter, limit),
      keyOf: row => [order, row.location, row.sku],
      itemOf: levelBody,
    })
  },
})

const levelBody = ({ position: _position, matches: _matches, ...level }: Level & Walked): Level => level
