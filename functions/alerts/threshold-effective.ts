import { z } from 'zod'
import type { Queryable } from '../../shared/data/postgres.ts'
import { Count, DefaultedLocation, Id, Location, Sku, Timestamp } from '../../shared/fields.ts'
import { operation } from '../../shared/function/operation.ts'
import { severities, severityOf } from './alert.ts'
import { Category } from './category.ts'
import { keyBody, ShownKey, ThresholdValues, valuesBody } from './threshold-body.ts'
import { type Context, placeKey, readContexts } from './threshold-context.ts'
import { type JudgedRule, judgePlace } from './threshold-judged.ts'
import { leadTimeOf, velocityFor } from './threshold-levels.ts'
import { ruleTypes, type StoredThreshold, type ThresholdFunction, type ThresholdKey } from './thresholds.ts'
import { dayOf } from './velocity.ts'

/** What counts at a place, and what it would do now: everything as it is judged by, and nothing written. */
export async function readEffective(
  sql: Queryable,
  place: { sku: string; location: string },
  now: Date,
): Promise<{ context: Context; rules: (JudgedRule & { setBy: SetBy | undefined })[] }> {
  const context = (await readContexts(sql, [place])).get(placeKey(place)) as Context
  const found = await readSetBy(sql, context.thresholds)
  const rules = judgePlace(context, dayOf(now), now)
  return { context, rules: rules.map(rule => ({ ...rule, setBy: found.find(one => one.rule === rule.rule) })) }
}

/** Who set a threshold last, and when. */
interface SetBy {
  readonly rule: string
  readonly updatedAt: Date
  readonly updatedBy: string
}

const readSetBy = (sql: Queryable, thresholds: readonly ThresholdKey[]) => sql<SetBy[]>`
  select threshold.rule, updated_at as "updatedAt", updated_by as "updatedBy"
  from unnest(
    ${thresholds.map(one => one.sku)}::text[], ${thresholds.map(one => one.location)}::text[],
    ${thresholds.map(one => one.category)}::text[], ${thresholds.map(one => one.rule)}::text[]
  ) as key (sku, location, category, rule)
  join threshold using (sku, location, category, rule)`

const Units = z.object({ level: Count, criticalLevel: Count.nullable(), resolveAbove: Count })

const EffectiveRule = z
  .object({
    type: z.enum(ruleTypes),
    source: ShownKey.nullable().meta({ description: 'Where it was set; null where an alert has outlived its threshold.' }),
    threshold: ThresholdValues.nullable(),
    updatedAt: Timestamp.nullable(),
    updatedBy: z.string().nullable().meta({ description: 'Who set it last.' }),
    units: Units.nullable().meta({ description: 'What it is at this place today; null where it says nothing here.' }),
    unitsPerDay: z.number().meta({ description: "Velocity over the threshold's window of whole days." }),
    leadTimeDays: Count.nullable(),
    verdict: z
      .enum(['raise', 'resolve', 'worsen', 'settle', 'wait', 'nothing'])
      .meta({ description: 'What it would do if the stock were judged now.' }),
    severity: z.enum(severities).nullable().meta({ description: 'How low the stock is by it; null when it is not.' }),
    breachedSince: Timestamp.nullable(),
    waitsUntil: Timestamp.nullable().meta({ description: 'Of a breach that has not lasted, or follows too soon.' }),
    alertId: Id.nullable().meta({ description: 'The alert that stands.' }),
    suggestedOrder: Count.nullable(),
  })
  .meta({ id: 'EffectiveRule' })

export const effectiveThresholds = operation<ThresholdFunction>()({
  id: 'thresholds-effective',
  route: 'GET /v1/thresholds/effective',
  summary: 'Read which thresholds count at a place, where each comes from, and what it would do now',
  description:
    'Of each type the closest counts: for the SKU at the location, the SKU, its category, the location, or by default. One that is off ends the inheritance.',
  allow: ['alerts:read', 'alerts:write'],
  input: z.strictObject({ sku: Sku, location: DefaultedLocation }),
  output: z
    .object({
      sku: Sku,
      location: Location,
      category: Category.nullable(),
      stock: z
        .object({ available: z.int(), version: Count, capacity: Count.nullable() })
        .nullable()
        .meta({ description: 'As it was seen last; null where none was.' }),
      rules: z.array(EffectiveRule),
    })
    .meta({ id: 'EffectiveThresholds' }),
  async handle({ db, now }, place) {
    const at = now()
    const { context, rules } = await readEffective(db.alerts.sql, place, at)
    const { available, version, capacity, profile } = context
    return {
      ...place,
      category: profile?.category || null,
      stock: version > 0 ? { available, version, capacity } : null,
      rules: rules.map(rule => ruleBody(rule, context, at)),
    }
  },
})

function ruleBody(rule: JudgedRule & { setBy: SetBy | undefined }, context: Context, now: Date): z.output<typeof EffectiveRule> {
  const { source, threshold, verdict, standing, breachedSince, waiting } = rule
  const isSeen = context.version > 0
  const isLow = isSeen && threshold !== undefined && context.available <= threshold.level
  return {
    type: rule.rule as StoredThreshold['rule'],
    source: source ? keyBody(source) : null,
    threshold: source ? valuesBody(source) : null,
    updatedAt: rule.setBy?.updatedAt.toISOString() ?? null,
    updatedBy: rule.setBy?.updatedBy ?? null,
    units: threshold ? { ...threshold, criticalLevel: threshold.criticalLevel ?? null } : null,
    unitsPerDay: source ? Math.round(velocityFor(source, { ...context, today: dayOf(now) }) * 1_000) / 1_000 : 0,
    leadTimeDays: source ? leadTimeOf(source, context) : null,
    verdict: isSeen ? verdict : 'nothing',
    severity: isLow ? severityOf(context.available, threshold) : null,
    breachedSince: breachedSince?.toISOString() ?? null,
    waitsUntil: isSeen ? (waiting?.dueAt.toISOString() ?? null) : null,
    alertId: standing?.id ?? null,
    suggestedOrder: isSeen ? rule.suggestedOrder : null,
  }
}
