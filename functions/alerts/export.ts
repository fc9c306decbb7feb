import { z } from 'zod'
import { csvPages, csvReply, exportDefinition } from '../../shared/csv/export.ts'
import type { Sql } from '../../shared/data/postgres.ts'
import { Location } from '../../shared/fields.ts'
import { service } from '../../shared/function/declare.ts'
import { streamOperation } from '../../shared/function/operation.ts'
import { Category } from './category.ts'
import { listThresholds, type ThresholdFilter } from './threshold-read.ts'
import { scopeOf, type ThresholdFunction, thresholdUses } from './thresholds.ts'

const header =
  'scope,sku,location,category,type,state,level,criticalLevel,resolveAbove,parLevel,windowDays,leadTimeDays,forSeconds,dedupSeconds'

const exportThresholds = streamOperation<ThresholdFunction>()({
  ...exportDefinition,
  id: 'thresholds-export',
  route: 'GET /v1/thresholds/export',
  summary: 'Export low-stock thresholds as CSV',
  description:
    'Every threshold of every scope in the order of SKU and location, each as it was when its page was read. Gzipped when the client accepts that. It may be imported as it is.',
  allow: ['alerts:read', 'alerts:write'],
  input: z.strictObject({ location: Location.optional(), category: Category.optional() }),
  output: z.string(),
  async handle({ db }, filter, call) {
    const pages = csvPages<ExportedThreshold>(header, (after, limit) => thresholdLines(db.alerts.sql, filter, after, limit))
    return csvReply('thresholds.csv', pages, call.headers['accept-encoding'])
  },
})

const exportProfiles = streamOperation<ThresholdFunction>()({
  ...exportDefinition,
  id: 'sku-profiles-export',
  route: 'GET /v1/sku-profiles/export',
  summary: 'Export what alerts know of SKUs as CSV',
  description: 'In the order of the SKUs. Gzipped when the client accepts that. It may be imported as it is.',
  allow: ['alerts:read', 'alerts:write'],
  input: z.strictObject({}),
  output: z.string(),
  async handle({ db }, _input, call) {
    const pages = csvPages<{ sku: string; line: string }>(
      'sku,category,leadTimeDays,parLevel,packSize,minimumOrder',
      (after, limit) => profileLines(db.alerts.sql, after?.sku ?? '', limit),
    )
    return csvReply('sku-profiles.csv', pages, call.headers['accept-encoding'])
  },
})

export const alertsExport = service({
  name: 'alerts-export',
  summary: 'Export thresholds, and what alerts know of SKUs',
  uses: thresholdUses,
  scale: { max: 2, concurrency: 4, timeout: 600, memory: 384 },
  operations: [exportThresholds, exportProfiles],
})

interface ExportedThreshold {
  readonly key: readonly string[]
  readonly line: string
}

/** Nothing that a threshold holds would have to be quoted. */
async function thresholdLines(sql: Sql, filter: ThresholdFilter, after: ExportedThreshold | undefined, limit: number) {
  const rows = await listThresholds(sql, filter, after?.key, limit)
  return rows.map((row): ExportedThreshold => {
    const { sku, location, category, rule, state, level, criticalLevel, resolveAbove } = row
    const { parLevel, windowDays, leadTimeDays, forSeconds, dedupSeconds } = row
    const cells = [scopeOf(row), sku, location, category, rule, state, level, criticalLevel, resolveAbove, parLevel, windowDays]
    return { key: [sku, location, category, rule], line: [...cells, leadTimeDays, forSeconds, dedupSeconds].join(',') }
  })
}

/** No SKU and no category holds what CSV would have to quote. */
const profileLines = (sql: Sql, after: string, limit: number) => sql<{ sku: string; line: string }[]>`
  select sku, concat(sku, ',', category, ',', lead_time_days, ',', par_level, ',', pack_size, ',', minimum_order) as line
  from sku_profile where sku > ${after} order by sku limit ${limit}`
