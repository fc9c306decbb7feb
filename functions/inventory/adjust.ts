import { z } from 'zod'
import { Reference } from '../../shared/fields.ts'
import { stockOperation } from './function.ts'
import { DeltaLines, levelOf, StockLevels } from './stock.ts'

export const adjust = stockOperation({
  id: 'stock-adjust',
  route: 'POST /v1/stock/adjustments',
  summary: 'Adjust stock',
  description:
    'Adds or takes units with a reason: damage, loss, something found. Units that are promised to a reservation cannot be taken.',
  allow: ['stock:write'],
  idempotent: true,
  shed: true,
  problems: ['insufficient_stock'],
  example: { lines: [{ sku: '85123A', location: 'main', delta: -2 }], reason: 'damage', reference: 'SHELF-12' },
  input: z.strictObject({
    lines: DeltaLines,
    reason: z.enum(['damage', 'loss', 'found', 'count', 'other']),
    reference: Reference.optional(),
  }),
  output: StockLevels,
  handle: ({ ledger }, { lines, reason, reference }, call) =>
    ledger.execute({ kind: 'adjust', lines, reason, reference, actor: call.subject }, call, 200, ({ movements }) => ({
      levels: movements.map(({ row }) => levelOf(row)),
    })),
})
