import { z } from 'zod'
import type { Queryable } from '../../shared/data/postgres.ts'
import { Location, Sku } from '../../shared/fields.ts'
import { severities } from './alert.ts'

/** The types of thresholds that raise alerts. */
export const rules = ['absolute', 'percentage', 'days_of_cover', 'forecast'] as const

/** A SKU, or what SKUs begin with and a star: no SKU has a star. */
const SkuPattern = z
  .string()
  .trim()
  .toUpperCase()
  .refine(pattern => Sku.safeParse(pattern.replace(/\*$/, '')).success, 'a SKU, or what SKUs begin with and `*` behind it')
  .meta({ description: 'A SKU, or what SKUs begin with and `*` behind it.', example: '851*' })

const anyOf = <T extends z.ZodType>(value: T, most = 100) => z.array(value).min(1).max(most).optional()

/** Which alerts are meant: those that fit one value of each field that is given. */
export const Matchers = z
  .strictObject({
    sku: anyOf(SkuPattern),
    location: anyOf(Location),
    category: anyOf(z.string().trim().min(1).max(100)),
    severity: anyOf(z.enum(severities)),
    rule: anyOf(z.enum(rules)),
  })
  .meta({ id: 'AlertMatchers', description: 'Alerts that fit one value of each field that is given.' })
export type Matchers = z.output<typeof Matchers>

/** Whoever silences everything means something else. */
export const SomeMatchers = Matchers.refine(matchers => Object.values(matchers).some(values => values !== undefined), {
  message: 'give at least one of sku, location, category, severity and rule',
})

/** The same as the columns of its row. */
export interface MatcherColumns {
  readonly skus: string[] | null
  readonly skuPrefixes: string[] | null
  readonly locations: string[] | null
  readonly categories: string[] | null
  readonly severities: string[] | null
  readonly rules: string[] | null
}

export function columnsOf({ sku, location, category, severity, rule }: Matchers): MatcherColumns {
  const isPrefix = (pattern: string) => pattern.endsWith('*')
  const skus = sku?.filter(pattern => !isPrefix(pattern)) ?? []
  const skuPrefixes = sku?.filter(isPrefix).map(pattern => pattern.slice(0, -1)) ?? []
  return {
    skus: skus.length > 0 ? skus : null,
    skuPrefixes: skuPrefixes.length > 0 ? skuPrefixes : null,
    locations: location ?? null,
    categories: category ?? null,
    severities: severity ?? null,
    rules: rule ?? null,
  }
}

/** The columns of a row `m` as the API shows them. */
export const matchersOf = (sql: Queryable) => sql`
  jsonb_strip_nulls(jsonb_build_object(
    'sku', nullif(coalesce(to_jsonb(m.skus), '[]') ||
      coalesce((select jsonb_agg(prefix || '*') from unnest(m.sku_prefixes) as prefix), '[]'), '[]'),
    'location', m.locations, 'category', m.categories, 'severity', m.severities, 'rule', m.rules))`

/** Whether the row `m` of matchers is meant for the alert `a`: the cheapest and rarest first. */
export const matches = (sql: Queryable) => sql`
  (m.locations is null or a.location = any (m.locations))
  and (m.severities is null or a.severity = any (m.severities)) and (m.rules is null or a.rule = any (m.rules))
  and (m.categories is null or a.category = any (m.categories))
  and ((m.skus is null and m.sku_prefixes is null) or a.sku = any (m.skus)
    or exists (select from unnest(m.sku_prefixes) as prefix where starts_with(a.sku, prefix)))`
