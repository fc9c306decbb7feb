import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import type { Queryable } from '../../shared/data/postgres.ts'
import { Id, Location, page, pageQuery, Sku, Timestamp } from '../../shared/fields.ts'
import { operation } from '../../shared/function/operation.ts'
import { Category } from './category.ts'
import { keyBody, ShownKey, ThresholdBody, ThresholdValues, valuesBody } from './threshold-body.ts'
import { thresholdColumns } from './threshold-store.ts'
import { type RuleType, ruleTypes, type StoredThreshold, scopeOf, scopes, type ThresholdFunction } from './thresholds.ts'

const thresholdOperation = operation<ThresholdFunction>()
const allow = ['alerts:read', 'alerts:write'] as const

const Rule = z.enum(ruleTypes)
/** '' stands for what a scope leaves open. */
const Key = z.tuple([Sku.or(z.literal('')), Location.or(z.literal('')), Category.or(z.literal('')), Rule])

export type ThresholdFilter = {
  readonly [K in 'sku' | 'location' | 'category']?: string | undefined
} & { readonly type?: RuleType | undefined }

/** A question about a SKU goes by the key, one about a location or a category by its own index: in the order of each. */
export function listThresholds(sql: Queryable, filter: ThresholdFilter, after: readonly string[] | undefined, limit: number) {
  const { sku, location, category, type } = filter
  const [afterSku = '', afterLocation = '', afterCategory = '', afterRule = ''] = after ?? []
  const byLocation = sku === undefined && location !== undefined
  const byCategory = sku === undefined && location === undefined && category !== undefined
  const start = byLocation
    ? sql`(location, sku, category, rule) > (${location}, ${afterSku}, ${afterCategory}, ${afterRule})`
    : byCategory
      ? sql`(category, sku, location, rule) > (${category}, ${afterSku}, ${afterLocation}, ${afterRule})`
      : sql`(sku, location, category, rule) > (${afterSku}, ${afterLocation}, ${afterCategory}, ${afterRule})`
  const order = byLocation
    ? sql`location, sku, category, rule`
    : byCategory
      ? sql`category, sku, location, rule`
      : sql`sku, location, category, rule`
  return sql<(StoredThreshold & { updatedAt: Date; updatedBy: string })[]>`
    select ${thresholdColumns(sql)}, updated_at as "updatedAt", updated_by as "updatedBy"
    from threshold
    where ${start}
      ${sku === undefined ? sql`` : sql`and sku = ${sku}`}
      ${location === undefined ? sql`` : sql`and location = ${location}`}
      ${category === undefined ? sql`` : sql`and category = ${category}`}
      ${type === undefined ? sql`` : sql`and rule = ${type}`}
    order by ${order}
    limit ${limit}`
}

export const listOfThresholds = thresholdOperation({
  id: 'thresholds-list',
  route: 'GET /v1/thresholds',
  summary: 'List thresholds',
  description: 'As they are set; what counts at a place is another question: see the effective ones.',
  allow,
  input: z.strictObject({
    sku: Sku.optional(),
    location: Location.optional(),
    category: Category.optional(),
    type: Rule.optional(),
    scope: z.enum(scopes).optional(),
    ...pageQuery,
  }),
  output: page(ThresholdBody).meta({ id: 'ThresholdPage' }),
  async handle({ db }, { scope, limit, cursor, ...filter }) {
    const rows = await listThresholds(db.alerts.sql, filter, decodeCursor(cursor, Key), limit + 1)
    const { items, next } = pageOf(rows, limit, row => [row.sku, row.location, row.category, row.rule])
    // Scopes other than a place are few: a page may have less than it could.
    const shown = items.filter(row => scope === undefined || scopeOf(row) === scope)
    const body = shown.map(row => ({
      ...{ ...keyBody(row), ...valuesBody(row) },
      ...{ updatedAt: row.updatedAt.toISOString(), updatedBy: row.updatedBy },
    }))
    return { items: body, next }
  },
})

const ChangeBody = z
  .object({
    ...{ id: Id, ...ShownKey.shape },
    before: ThresholdValues.nullable().meta({ description: 'Null when it was not there.' }),
    after: ThresholdValues.nullable().meta({ description: 'Null when it was deleted.' }),
    at: Timestamp,
    actor: z.string(),
  })
  .meta({ id: 'ThresholdChange' })

interface ChangeRow {
  readonly id: string
  readonly sku: string
  readonly location: string
  readonly category: string
  readonly rule: RuleType
  readonly before: z.output<typeof ThresholdValues> | null
  readonly after: z.output<typeof ThresholdValues> | null
  readonly at: Date
  readonly actor: string
}

export type ChangeFilter = ThresholdFilter & {
  readonly actor?: string | undefined
  readonly from?: string | undefined
  readonly to?: string | undefined
}

export const listChanges = (
  sql: Queryable,
  { sku, location, category, type, actor, from, to }: ChangeFilter,
  after: readonly [string, string] | undefined,
  limit: number,
) => sql<ChangeRow[]>`
  select id, sku, location, category, rule, before, after, at, actor from threshold_change
  where ${after ? sql`(at, id) < (${after[0]}::timestamptz, ${after[1]}::uuid)` : to === undefined ? sql`true` : sql`at < ${to}::timestamptz`}
    ${from === undefined ? sql`` : sql`and at >= ${from}::timestamptz`}
    ${sku === undefined ? sql`` : sql`and sku = ${sku}`}
    ${location === undefined ? sql`` : sql`and location = ${location}`}
    ${category === undefined ? sql`` : sql`and category = ${category} and category <> ''`}
    ${type === undefined ? sql`` : sql`and rule = ${type}`}
    ${actor === undefined ? sql`` : sql`and actor = ${actor}`}
  order by at desc, id desc
  limit ${limit}`

export const historyOfThresholds = thresholdOperation({
  id: 'thresholds-history',
  route: 'GET /v1/thresholds/history',
  summary: 'List who changed which threshold, when, from what to what',
  description: 'Newest first, a page at a time. Nothing is ever taken out of it.',
  allow,
  input: z.strictObject({
    sku: Sku.optional(),
    location: Location.optional(),
    category: Category.optional(),
    type: Rule.optional(),
    actor: z.string().max(200).optional(),
    from: Timestamp.optional().meta({ description: 'Belongs to the span.' }),
    to: Timestamp.optional().meta({ description: 'Does not belong to the span.' }),
    ...pageQuery,
  }),
  output: page(ChangeBody).meta({ id: 'ThresholdChangePage' }),
  async handle({ db }, { limit, cursor, ...filter }) {
    const after = decodeCursor(cursor, z.tuple([Timestamp, Id]))
    const rows = await listChanges(db.alerts.sql, filter, after, limit + 1)
    const { items, next } = pageOf(rows, limit, row => [row.at.toISOString(), row.id])
    return {
      items: items.map(row => ({
        ...{ id: row.id, ...keyBody(row), before: row.before, after: row.after },
        ...{ at: row.at.toISOString(), actor: row.actor },
      })),
      next,
    }
  },
})
