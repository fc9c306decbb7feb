import { z } from 'zod'
import type { Tx } from '../../shared/data/postgres.ts'
import { Count, DefaultedLocation, Sku } from '../../shared/fields.ts'
import type { Deps } from '../../shared/function/resources.ts'
import { standardResolveAbove } from './alert.ts'
import { evaluateAgain } from './evaluation.ts'

export const thresholdUses = ['db:alerts'] as const
export type ThresholdFunction = Deps<typeof thresholdUses>

export const NewThreshold = z
  .strictObject({
    sku: Sku,
    location: DefaultedLocation,
    level: Count.meta({ description: 'Units: at or below it an alert is raised.', example: 12 }),
    resolveAbove: Count.optional().meta({
      description: 'Units: above it the alert is resolved. A tenth above the level when absent.',
    }),
  })
  .refine(({ level, resolveAbove }) => resolveAbove === undefined || resolveAbove >= level, {
    path: ['resolveAbove'],
    message: 'must not be below the level',
  })

/**
 * Sets thresholds, and judges the stock that is known by them. The last one counts where a place is named twice.
 * @returns how many places were set
 */
export async function writeThresholds(
  tx: Tx,
  thresholds: readonly z.output<typeof NewThreshold>[],
  { newId, now }: Pick<ThresholdFunction, 'newId' | 'now'>,
  actor: string,
): Promise<number> {
  const unique = [...new Map(thresholds.map(threshold => [`${threshold.sku} ${threshold.location}`, threshold])).values()]
  const rows = unique.map(row => ({ ...row, resolveAbove: row.resolveAbove ?? standardResolveAbove(row.level) }))
  await upsertThresholds(tx, rows, actor, now())
  await evaluateAgain(tx, rows, newId, now())
  return rows.length
}

const upsertThresholds = (
  tx: Tx,
  rows: readonly { sku: string; location: string; level: number; resolveAbove: number }[],
  actor: string,
  now: Date,
) => tx`
  insert into threshold (sku, location, level, resolve_above, updated_at, updated_by)
  select sku, location, level, resolve_above, ${now}::timestamptz, ${actor}
  from unnest(
    ${rows.map(row => row.sku)}::text[], ${rows.map(row => row.location)}::text[],
    ${rows.map(row => row.level)}::bigint[], ${rows.map(row => row.resolveAbove)}::bigint[]
  ) as threshold (sku, location, level, resolve_above)
  order by sku, location
  on conflict (sku, location) do update
    set level = excluded.level, resolve_above = excluded.resolve_above, updated_at = excluded.updated_at, updated_by = excluded.updated_by`
