import type { Place } from '../../shared/data/locking-order.ts'
import type { Queryable } from '../../shared/data/postgres.ts'

export interface EffectiveThreshold {
  readonly rule: string
  /** Units: at or below it the stock is low. */
  readonly level: number
  readonly resolveAbove: number
  /** Where it was set, in words that finish "it was set for …". */
  readonly source: string
  readonly updatedAt: Date
  readonly updatedBy: string
}

/** What the place is judged by, one threshold a rule. */
export const effectiveThresholds = (sql: Queryable, { sku, location }: Place): PromiseLike<EffectiveThreshold[]> => sql<
  EffectiveThreshold[]
>`
  select 'absolute' as rule, level, resolve_above as "resolveAbove", 'this SKU at this location' as source,
    updated_at as "updatedAt", updated_by as "updatedBy"
  from threshold where sku = ${sku} and location = ${location}`
