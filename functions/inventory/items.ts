import { z } from 'zod'
import { Rejected } from '../../shared/errors.ts'
import { Count, Location, Reference, Sku } from '../../shared/fields.ts'
import { entityTag } from '../../shared/function/operate.ts'
import { Reply } from '../../shared/function/operation.ts'
import { stockOperation } from './function.ts'
import type { StockRow } from './stock.ts'

export const ItemSettings = {
  safetyStock: Count.default(0).meta({ description: 'Units that are never promised.' }),
  backorderLimit: Count.default(0).meta({ description: 'Units that may be promised before they arrive.' }),
  capacity: Count.nullable()
    .default(null)
    .meta({ description: 'Units there is room for: a delivery of more is refused. Null: no limit.' }),
}

export const Item = z
  .object({
    sku: Sku,
    location: Location,
    safetyStock: Count,
    backorderLimit: Count,
    capacity: Count.nullable(),
    version: Count.meta({ description: 'Counts the changes of these settings; their ETag. Sales do not change it.' }),
  })
  .meta({
    id: 'Item',
    example: { sku: '85123A', location: 'main', safetyStock: 10, backorderLimit: 0, capacity: 500, version: 1 },
  })

type SettingsRow = Omit<StockRow, 'onHand' | 'reserved' | 'version'>

export const itemOf = (row: SettingsRow): z.output<typeof Item> => ({
  ...{ sku: row.sku, location: row.location, safetyStock: row.safetyStock, backorderLimit: row.backorderLimit },
  ...{ capacity: row.capacity, version: row.settingsVersion },
})

export const setItem = stockOperation({
  id: 'item-set',
  route: 'PUT /v1/items/{sku}/{location}',
  summary: 'Set how a SKU is kept at a location',
  description:
    'Safety stock, backorder limit and capacity, provided that they have not changed since they were read (If-Match). For a SKU that was never at the location send `"0"`. What is left out goes back to its default. A backorder limit below what is promised already is refused.',
  allow: ['stock:write'],
  idempotent: true,
  ifMatch: true,
  problems: ['version_mismatch', 'precondition_required', 'limit_in_use'],
  example: { safetyStock: 10, backorderLimit: 0, capacity: 500 },
  input: z.strictObject({ sku: Sku, location: Location, ...ItemSettings, reference: Reference.optional() }),
  output: Item,
  handle: ({ ledger }, input, call) =>
    ledger.execute(
      { kind: 'settings', ...input, ifMatch: call.ifMatch ?? 0, actor: call.subject },
      call,
      200,
      ({ movements: [movement], unmoved }) => itemOf((movement?.row ?? unmoved) as StockRow),
    ),
})

export const readItem = stockOperation({
  id: 'item-read',
  route: 'GET /v1/items/{sku}/{location}',
  summary: 'Read how a SKU is kept at a location',
  description: 'The ETag is the version of the settings: send it as If-Match to change them.',
  allow: ['stock:read', 'stock:write'],
  problems: ['not_found'],
  input: z.strictObject({ sku: Sku, location: Location }),
  output: Item,
  async handle({ db }, { sku, location }) {
    const [row] = await db.inventory.sql<SettingsRow[]>`
      select sku, location, safety_stock as "safetyStock", backorder_limit as "backorderLimit", capacity,
             settings_version as "settingsVersion"
      from stock where sku = ${sku} and location = ${location}`
    if (!row) throw new Rejected('not_found', `There is no stock of ${sku} at ${location}.`)
    return Reply.of(200, itemOf(row), { etag: entityTag(row.settingsVersion) })
  },
})
