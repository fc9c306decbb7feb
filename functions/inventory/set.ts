import { z } from 'zod'
import { Count, Location, Reference, Sku } from '../../shared/fields.ts'
import { stockOperation } from './function.ts'
import { levelOf, StockLevel, type StockRow } from './stock.ts'

export const set = stockOperation({
  id: 'stock-set',
  route: 'PUT /v1/stock/{sku}/{location}',
  summary: 'Set stock by count',
  description:
    'Sets the units on the shelf to what was counted, provided that the stock has not changed since it was read (If-Match).',
  allow: ['stock:write'],
  idempotent: true,
  ifMatch: true,
  problems: ['insufficient_stock', 'version_mismatch', 'precondition_required'],
  example: { onHand: 118, reference: 'COUNT-2026-01' },
  input: z.strictObject({ sku: Sku, location: Location, onHand: Count, reference: Reference.optional() }),
  output: StockLevel,
  handle({ ledger }, { sku, location, onHand, reference }, call) {
    const command = {
      kind: 'set',
      sku,
      location,
      onHand,
      ifMatch: call.ifMatch ?? 0,
      reason: 'count',
      reference,
      actor: call.subject,
    } as const
    return ledger.execute(command, call, 200, ({ movements: [movement], unmoved }) =>
      levelOf((movement?.row ?? unmoved) as StockRow),
    )
  },
})
