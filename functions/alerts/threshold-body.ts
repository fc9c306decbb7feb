import { z } from 'zod'
import { Count, Location, Sku, Timestamp } from '../../shared/fields.ts'
import { Category } from './category.ts'
import { ruleTypes, type StoredThreshold, scopeOf, scopes, type ThresholdKey } from './thresholds.ts'

// What the API shows of thresholds.

const shownKey = {
  scope: z.enum(scopes),
  sku: Sku.nullable(),
  location: Location.nullable(),
  category: Category.nullable(),
  type: z.enum(ruleTypes),
}

const shownValues = {
  state: z.enum(['on', 'off']),
  level: Count,
  criticalLevel: Count.nullable(),
  resolveAbove: Count,
  parLevel: Count.nullable(),
  windowDays: Count.nullable(),
  leadTimeDays: Count.nullable(),
  forSeconds: Count,
  dedupSeconds: Count,
}

export const ShownKey = z.object(shownKey)
export const ThresholdValues = z.object(shownValues).meta({ id: 'ThresholdValues' })
export const ThresholdBody = z
  .object({ ...shownKey, ...shownValues, updatedAt: Timestamp, updatedBy: z.string() })
  .meta({ id: 'Threshold' })

export const keyBody = ({ sku, location, category, rule }: ThresholdKey): z.output<typeof ShownKey> => ({
  scope: scopeOf({ sku, location, category }),
  sku: sku || null,
  location: location || null,
  category: category || null,
  type: rule,
})

export const valuesBody = (threshold: StoredThreshold): z.output<typeof ThresholdValues> => {
  const { state, level, criticalLevel, resolveAbove, parLevel, windowDays, leadTimeDays, forSeconds, dedupSeconds } = threshold
  return { state, level, criticalLevel, resolveAbove, parLevel, windowDays, leadTimeDays, forSeconds, dedupSeconds }
}
