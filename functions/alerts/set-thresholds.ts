import { z } from 'zod'
import { idempotently } from '../../shared/data/idempotency.ts'
import type { Tx } from '../../shared/data/postgres.ts'
import { Count, DefaultedLocation, lines, Sku } from '../../shared/fields.ts'
import { http } from '../../shared/function/declare.ts'
import { Reply } from '../../shared/function/operation.ts'
import { standardResolveAbove } from './alert.ts'
import { evaluateAgain } from './evaluation.ts'

const NewThreshold = z
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

export const setThresholds = http({
  name: 'alerts-set-thresholds',
  route: 'PUT /v1/thresholds',
  summary: 'Set low-stock thresholds',
  description: 'All or none. What is below its new threshold already raises its alert now.',
  allow: ['alerts:write'],
  uses: ['db:alerts'],
  idempotent: true,
  example: { thresholds: [{ sku: '85123A', location: 'main', level: 12, resolveAbove: 20 }] },
  input: z.strictObject({ thresholds: lines(NewThreshold) }),
  output: z.object({ set: Count }).meta({ id: 'ThresholdsSet' }),
  handle: ({ db, now, newId }, { thresholds }, call) =>
    idempotently(db.alerts, call, async tx => {
      // The last one counts where a place is named twice.
      const unique = [...new Map(thresholds.map(threshold => [`${threshold.sku} ${threshold.location}`, threshold])).values()]
      const rows = unique.map(row => ({ ...row, resolveAbove: row.resolveAbove ?? standardResolveAbove(row.level) }))
      await upsertThresholds(tx, rows, call.subject, now())
      await evaluateAgain(tx, rows, newId, now())
      return Reply.of(200, { set: rows.length })
    }),
})

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
