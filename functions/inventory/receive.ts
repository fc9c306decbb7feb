import { z } from 'zod'
import { Reference } from '../../shared/fields.ts'
import { stockOperation } from './function.ts'
import { levelOf, QuantityLines, StockLevels } from './stock.ts'

export const receive = stockOperation({
  id: 'stock-receive',
  route: 'POST /v1/stock/receipts',
  summary: 'Receive stock',
  description: 'Puts units on the shelf: a delivery, a return, an opening count. All lines or none.',
  allow: ['stock:write'],
  idempotent: true,
  shed: true,
  status: 201,
  example: { lines: [{ sku: '85123A', location: 'main', quantity: 120 }], reason: 'supplier', reference: 'PO-4711' },
  input: z.strictObject({
    lines: QuantityLines,
    reason: z.enum(['opening', 'supplier', 'return', 'other']).default('supplier'),
    reference: Reference.optional(),
  }),
  output: StockLevels,
  handle: ({ ledger }, { lines, reason, reference }, call) =>
    ledger.execute({ kind: 'receive', lines, reason, reference, actor: call.subject }, call, 201, ({ movements }) => ({
      levels: movements.map(({ row }) => levelOf(row)),
    })),
})
