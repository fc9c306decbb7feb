import { z } from 'zod'
import { idempotently } from '../../shared/data/idempotency.ts'
import type { Tx } from '../../shared/data/postgres.ts'
import { Rejected } from '../../shared/errors.ts'
import { lineLimit, Sku } from '../../shared/fields.ts'
import { operation, Reply } from '../../shared/function/operation.ts'
import { NewProfile, removeProfiles, writeProfiles } from './category-profile.ts'
import { fittingRows, type RowResult, RowResults, refusedRow, rowResults } from './threshold-results.ts'
import type { ThresholdFunction } from './thresholds.ts'

export const setProfileRows = operation<ThresholdFunction>()({
  id: 'sku-profiles-bulk',
  route: 'PUT /v1/sku-profiles',
  summary: 'Set what alerts know of SKUs, each for itself',
  description:
    'Category, lead time, par level, pack size and smallest order. A row replaces all that was known of its SKU; one that does not fit is told its field and stops no other. Places of these SKUs are judged again within two minutes.',
  allow: ['alerts:write'],
  idempotent: true,
  example: { profiles: [{ sku: '85123A', category: 'lights', leadTimeDays: 10, packSize: 12 }] },
  input: z.strictObject({ profiles: z.array(z.unknown()).min(1).max(lineLimit) }),
  describedInput: z.strictObject({ profiles: z.array(NewProfile).min(1).max(lineLimit) }),
  output: RowResults,
  handle: (deps, { profiles }, call) =>
    idempotently(deps.db.alerts, call, async tx =>
      Reply.of(200, rowResults(await setFittingProfiles(tx, profiles, deps, call.subject))),
    ),
})

/** Sets the rows that fit, and says of each whether it does. */
export async function setFittingProfiles(
  tx: Tx,
  rows: readonly unknown[],
  deps: Pick<ThresholdFunction, 'newId' | 'now'>,
  actor: string,
): Promise<RowResult[]> {
  const { fitting, results } = fittingRows(rows, NewProfile)
  if (fitting.length > 0) {
    await writeProfiles(
      tx,
      fitting.map(({ row }) => row),
      deps,
      actor,
    )
  }
  return results
}

export const deleteProfileRows = operation<ThresholdFunction>()({
  id: 'sku-profiles-delete',
  route: 'POST /v1/sku-profiles/delete',
  summary: 'Forget what alerts know of SKUs, each for itself',
  allow: ['alerts:write'],
  idempotent: true,
  example: { skus: ['85123A'] },
  input: z.strictObject({ skus: z.array(z.unknown()).min(1).max(lineLimit) }),
  describedInput: z.strictObject({ skus: z.array(Sku).min(1).max(lineLimit) }),
  output: RowResults,
  handle: (deps, { skus }, call) =>
    idempotently(deps.db.alerts, call, async tx => {
      const given = skus.map(sku => ({ sku }))
      const { fitting, results } = fittingRows(given, z.strictObject({ sku: Sku }))
      const names = fitting.map(({ row }) => row.sku)
      const removed = names.length > 0 ? await removeProfiles(tx, names, deps) : new Set<string>()
      for (const { index, row } of fitting) {
        if (!removed.has(row.sku))
          results[index] = refusedRow(index, new Rejected('not_found', `Nothing is known of ${row.sku}.`))
      }
      return Reply.of(200, rowResults(results))
    }),
})
