import { z } from 'zod'
import { idempotently } from '../../shared/data/idempotency.ts'
import { Rejected } from '../../shared/errors.ts'
import { lineLimit } from '../../shared/fields.ts'
import { operation, Reply } from '../../shared/function/operation.ts'
import { fittingRows, RowResults, refusedRow, rowResults } from './threshold-results.ts'
import { removeThresholds } from './threshold-write.ts'
import { keyText, type ThresholdFunction, ThresholdKeyInput, thresholdKey } from './thresholds.ts'

export const deleteThresholdRows = operation<ThresholdFunction>()({
  id: 'thresholds-delete',
  route: 'POST /v1/thresholds/delete',
  summary: 'Delete thresholds, each for itself',
  description:
    'What a place inherits counts there then. An alert whose threshold is gone, or is not breached by what counts now, is resolved: at once for a place, within two minutes for a wider scope.',
  allow: ['alerts:write'],
  idempotent: true,
  example: {
    thresholds: [
      { sku: '85123A', location: 'main' },
      { scope: 'category', category: 'kitchen', type: 'forecast' },
    ],
  },
  input: z.strictObject({ thresholds: z.array(z.unknown()).min(1).max(lineLimit) }),
  describedInput: z.strictObject({ thresholds: z.array(ThresholdKeyInput).min(1).max(lineLimit) }),
  output: RowResults,
  handle: (deps, { thresholds }, call) =>
    idempotently(deps.db.alerts, call, async tx => {
      const { fitting, results } = fittingRows(thresholds, ThresholdKeyInput)
      const keys = fitting.map(({ row }) => thresholdKey(row))
      const removed = keys.length > 0 ? await removeThresholds(tx, keys, deps, call.subject) : []
      const there = new Set(removed.map(keyText))
      for (const [at, { index }] of fitting.entries()) {
        const key = keys[at]
        if (key && !there.has(keyText(key)))
          results[index] = refusedRow(index, new Rejected('not_found', 'There is no such threshold.'))
      }
      return Reply.of(200, rowResults(results))
    }),
})
