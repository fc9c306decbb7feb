import type { Place } from '../../shared/data/locking-order.ts'
import type { Queryable } from '../../shared/data/postgres.ts'
import type { Threshold } from './alert.ts'
import { readEffective } from './threshold-effective.ts'
import { scopeOf, type ThresholdKey } from './thresholds.ts'

/** In units, as it is reckoned today. */
export interface EffectiveThreshold extends Threshold {
  readonly rule: string
  /** Where it was set, in words that finish "it was set for …". */
  readonly source: string
  readonly updatedAt: Date
  readonly updatedBy: string
}

/** What the place is judged by, one threshold a rule, and what its SKU belongs to. */
export async function effectiveThresholds(
  sql: Queryable,
  place: Place,
  now: Date,
): Promise<{ category: string | null; thresholds: EffectiveThreshold[] }> {
  const { context, rules } = await readEffective(sql, place, now)
  const known = rules.flatMap(({ source, threshold }) => (source && threshold ? [{ source, threshold }] : []))
  const changes = await lastChanges(
    sql,
    known.map(({ source }) => source),
  )
  const thresholds = known.flatMap(({ source, threshold }) => {
    const change = changes.find(one => keys.every(key => one[key] === source[key]))
    if (!change) return []
    const { updatedAt, updatedBy } = change
    return [{ ...threshold, rule: source.rule, source: sourceOf(source), updatedAt, updatedBy }]
  })
  return { category: context.profile?.category || null, thresholds }
}

const keys = ['sku', 'location', 'category', 'rule'] as const

const lastChanges = (sql: Queryable, of: readonly ThresholdKey[]) => sql<
  (ThresholdKey & { updatedAt: Date; updatedBy: string })[]
>`
  select sku, location, category, rule, updated_at as "updatedAt", updated_by as "updatedBy"
  from threshold
  join unnest(
    ${of.map(one => one.sku)}::text[], ${of.map(one => one.location)}::text[],
    ${of.map(one => one.category)}::text[], ${of.map(one => one.rule)}::text[]
  ) as wanted (sku, location, category, rule) using (sku, location, category, rule)`

function sourceOf(threshold: ThresholdKey): string {
  switch (scopeOf(threshold)) {
    case 'place':
      return 'this SKU at this location'
    case 'sku':
      return 'this SKU everywhere'
    case 'category':
      return `the category ${threshold.category}`
    case 'location':
      return 'this location'
    case 'default':
      return 'everything'
  }
}
