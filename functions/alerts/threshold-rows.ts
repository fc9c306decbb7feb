import { z } from 'zod'
import { idempotently } from '../../shared/data/idempotency.ts'
import type { Tx } from '../../shared/data/postgres.ts'
import { lineLimit } from '../../shared/fields.ts'
import { operation, Reply } from '../../shared/function/operation.ts'
import { fittingRows, type RowResult, RowResults, rowResults } from './threshold-results.ts'
import { writeThresholds } from './threshold-write.ts'
import { NewThreshold, type ThresholdFunction } from './thresholds.ts'

export const setThresholdRows = operation<ThresholdFunction>()({
  id: 'thresholds-bulk',
  route: 'PUT /v1/thresholds/bulk',
  summary: 'Set low-stock thresholds, each for itself',
  description: 'Rows that fit are set together; one that does not is told its field and stops no other.',
  allow: ['alerts:write'],
  idempotent: true,
  example: {
    thresholds: [
      { sku: '85123A', location: 'main', level: 12, criticalLevel: 4, resolveAbove: 20 },
      { scope: 'category', category: 'kitchen', type: 'days_of_cover', level: 7, forSeconds: 3600 },
    ],
  },
  input: z.strictObject({ thresholds: z.array(z.unknown()).min(1).max(lineLimit) }),
  describedInput: z.strictObject({ thresholds: z.array(NewThreshold).min(1).max(lineLimit) }),
  output: RowResults,
  handle: (deps, { thresholds }, call) =>
    idempotently(deps.db.alerts, call, async tx =>
      Reply.of(200, rowResults(await setFitting(tx, thresholds, deps, call.subject))),
    ),
})

/** Sets the rows that fit, and says of each whether it does. */
export async function setFitting(
  tx: Tx,
  rows: readonly unknown[],
  deps: Pick<ThresholdFunction, 'newId' | 'now'>,
  actor: string,
): Promise<RowResult[]> {
  const { fitting, results } = fittingRows(rows, NewThreshold)
  if (fitting.length > 0) {
    await writeThresholds(
      tx,
      fitting.map(({ row }) => row),
      deps,
      actor,
    )
  }
  return results
}
