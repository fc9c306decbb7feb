import { z } from 'zod'
import { Reference } from '../../shared/fields.ts'
import { stockOperation } from './function.ts'
import { levelOf, QuantityLines, StockLevels } from './stock.ts'

export const sell = stockOperation({
  id: 'stock-sell',
  route: 'POST /v1/stock/sales',
  summary: 'Sell over the counter',
  description:
    'Takes units off the shelf at once, without a reservation before. All lines or none. Units that are promised to a reservation cannot be sold, the safety stock can.',
  allow: ['stock:write'],
  idempotent: true,
  shed: true,
  status: 201,
  problems: ['insufficient_stock'],
  example: { lines: [{ sku: '85123A', location: 'main', quantity: 1 }], reference: 'TILL-2-118' },
  input: z.strictObject({ lines: QuantityLines, reference: Reference.optional() }),
  output: StockLevels,
  handle: ({ ledger }, { lines, reference }, call) =>
    ledger.execute({ kind: 'sell', lines, reference, actor: call.subject }, call, 201, ({ movements }) => ({
      levels: movements.map(({ row }) => levelOf(row)),
    })),
})
