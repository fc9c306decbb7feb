import { z } from 'zod'
import { Count, DefaultedLocation, Location, Sku } from '../../shared/fields.ts'
import type { Deps } from '../../shared/function/resources.ts'
import { standardResolveAbove } from './alert.ts'
import { Category } from './category.ts'
import { daysKept } from './velocity.ts'

export const thresholdUses = ['db:alerts'] as const
export type ThresholdFunction = Deps<typeof thresholdUses>

export const ruleTypes = ['absolute', 'percentage', 'days_of_cover', 'forecast'] as const
export type RuleType = (typeof ruleTypes)[number]

/** What a threshold may be for, from the closest: of each type, the closest one counts at a place. */
export const scopes = ['place', 'sku', 'category', 'location', 'default'] as const
export type Scope = (typeof scopes)[number]

/** Which threshold: '' where its scope leaves open what it is for. */
export interface ThresholdKey {
  readonly sku: string
  readonly location: string
  readonly category: string
  readonly rule: RuleType
}

/** A threshold as it is kept, in the unit of its type. */
export interface StoredThreshold extends ThresholdKey {
  /** `off` ends the inheritance: no rule of this type counts there. */
  readonly state: 'on' | 'off'
  readonly level: number
  readonly criticalLevel: number | null
  readonly resolveAbove: number
  readonly parLevel: number | null
  readonly windowDays: number | null
  readonly leadTimeDays: number | null
  readonly forSeconds: number
  readonly dedupSeconds: number
}

const wanted: Readonly<Record<Scope, readonly ('sku' | 'location' | 'category')[]>> = {
  place: ['sku', 'location'],
  sku: ['sku'],
  category: ['category'],
  location: ['location'],
  default: [],
}

const longest = 30 * 24 * 60 * 60

const Days = z.int().min(0).max(365)

const keyShape = {
  scope: z
    .enum(scopes)
    .default('place')
    .meta({ description: 'What it is for: a SKU at a location, a SKU everywhere, a category, a location, or everything.' }),
  sku: Sku.optional().meta({ description: 'For the scopes place and sku.', example: '85123A' }),
  location: Location.optional().meta({ description: 'For the scopes place (main when absent) and location.', example: 'main' }),
  category: Category.optional().meta({ description: 'For the scope category.', example: 'kitchen' }),
  type: z.enum(ruleTypes).default('absolute'),
}

interface GivenKey {
  readonly scope: Scope
  readonly sku?: string | undefined
  readonly location?: string | undefined
  readonly category?: string | undefined
  readonly type: RuleType
}

function refuseOtherScope(given: GivenKey, context: z.RefinementCtx): void {
  for (const field of ['sku', 'location', 'category'] as const) {
    const isWanted = wanted[given.scope].includes(field)
    const isMissing = isWanted && given[field] === undefined && !(given.scope === 'place' && field === 'location')
    const message = isMissing ? 'is required for this scope' : 'is not for this scope'
    if (isMissing || (!isWanted && given[field] !== undefined)) context.addIssue({ code: 'custom', path: [field], message })
  }
}

export const ThresholdKeyInput = z.strictObject(keyShape).superRefine(refuseOtherScope)

export const NewThreshold = z
  .strictObject({
    ...keyShape,
    level: Count.meta({
      description:
        'At or below it the stock is low. Units for absolute, per cent for percentage, days beyond the lead time for days_of_cover, units that are left at the end of the lead time for forecast.',
      example: 12,
    }),
    criticalLevel: Count.optional().meta({ description: 'In the same unit: at or below it the stock is critical.' }),
    resolveAbove: Count.optional().meta({
      description: 'In the same unit: above it the alert is resolved. A tenth above the level when absent.',
    }),
    parLevel: Count.min(1).optional().meta({
      description:
        'Units that there should be: what percentages are of (else the capacity of the place), and what is ordered up to.',
    }),
    windowDays: z
      .int()
      .min(1)
      .max(daysKept - 1)
      .optional()
      .meta({ description: 'Whole days whose sales make the velocity; 28 when absent.' }),
    leadTimeDays: Days.optional().meta({ description: "Days until a delivery comes; the SKU's own when absent, or 7." }),
    forSeconds: z.int().min(0).max(longest).default(0).meta({ description: 'So long a breach must last before it is an alert.' }),
    dedupSeconds: z.int().min(0).max(longest).default(0).meta({
      description: 'So long after an alert of this place and type was resolved only a worse one is raised.',
    }),
    state: z
      .enum(['on', 'off'])
      .default('on')
      .meta({ description: '`off`: no rule of this type there, whatever would be inherited.' }),
  })
  .superRefine((given, context) => {
    refuseOtherScope(given, context)
    const { level, criticalLevel, resolveAbove, type } = given
    const refuse = (field: string, message: string) => context.addIssue({ code: 'custom', path: [field], message })
    if (resolveAbove !== undefined && resolveAbove < level) refuse('resolveAbove', 'must not be below the level')
    if (criticalLevel !== undefined && criticalLevel > level) refuse('criticalLevel', 'must not be above the level')
    if (type === 'percentage' && level > 100) refuse('level', 'must not be above 100 per cent')
    if (type === 'days_of_cover' && level > 365) refuse('level', 'must not be above 365 days')
  })

export type GivenThreshold = z.output<typeof NewThreshold>

export function thresholdKey({ scope, sku = '', location, category = '', type }: GivenKey): ThresholdKey {
  return { sku, location: location ?? (scope === 'place' ? DefaultedLocation.parse(undefined) : ''), category, rule: type }
}

export function storedThreshold(given: GivenThreshold): StoredThreshold {
  const { level, type, state, forSeconds, dedupSeconds } = given
  return {
    ...thresholdKey(given),
    ...{ state, level, forSeconds, dedupSeconds },
    criticalLevel: given.criticalLevel ?? null,
    resolveAbove: given.resolveAbove ?? standardResolve(type, level),
    parLevel: given.parLevel ?? null,
    windowDays: given.windowDays ?? null,
    leadTimeDays: given.leadTimeDays ?? null,
  }
}

/** A place that is full must be above it: where a tenth more than the level would be more than everything, there is no gap. */
const standardResolve = (type: RuleType, level: number): number =>
  type === 'percentage' && level > 90 ? level : standardResolveAbove(level)

export const keyText = ({ sku, location, category, rule }: ThresholdKey): string => `${sku}|${location}|${category}|${rule}`

export function scopeOf({ sku, location, category }: Omit<ThresholdKey, 'rule'>): Scope {
  if (sku !== '') return location === '' ? 'sku' : 'place'
  if (category !== '') return 'category'
  return location === '' ? 'default' : 'location'
}

/** Of each type the closest, if it is on. */
export function effectiveOf<T extends StoredThreshold>(found: readonly T[]): T[] {
  const distance = (threshold: T) => scopes.indexOf(scopeOf(threshold))
  return ruleTypes.flatMap(rule => {
    const [closest] = found.filter(one => one.rule === rule).sort((a, b) => distance(a) - distance(b))
    return closest && closest.state === 'on' ? [closest] : []
  })
}
