import { z } from 'zod'
import { csvPages, csvReply, exportDefinition } from '../../shared/csv/export.ts'
import type { Place } from '../../shared/data/locking-order.ts'
import type { Sql } from '../../shared/data/postgres.ts'
import { Location } from '../../shared/fields.ts'
import { service } from '../../shared/function/declare.ts'
import { streamOperation } from '../../shared/function/operation.ts'
import { type ThresholdFunction, thresholdUses } from './thresholds.ts'

const header = 'sku,location,level,resolveAbove'

const exportThresholds = streamOperation<ThresholdFunction>()({
  ...exportDefinition,
  id: 'thresholds-export',
  route: 'GET /v1/thresholds/export',
  summary: 'Export low-stock thresholds as CSV',
  description:
    'Every threshold in the order of SKU and location, each as it was when its page was read. Gzipped when the client accepts that. It may be imported as it is.',
  allow: ['alerts:read', 'alerts:write'],
  input: z.strictObject({ location: Location.optional() }),
  output: z.string(),
  async handle({ db }, { location }, call) {
    const pages = csvPages<ExportedRow>(header, (after, limit) => exportedPage(db.alerts.sql, location, after, limit))
    return csvReply('thresholds.csv', pages, call.headers['accept-encoding'])
  },
})

export const alertsExport = service({
  name: 'alerts-export',
  summary: 'Export thresholds',
  uses: thresholdUses,
  scale: { max: 2, concurrency: 4, timeout: 600, memory: 384 },
  operations: [exportThresholds],
})

interface ExportedRow extends Place {
  readonly line: string
}

/** No SKU and no location holds what CSV would have to quote. */
const exportedPage = (sql: Sql, location: string | undefined, after: Place | undefined, limit: number) => sql<ExportedRow[]>`
  select sku, location, concat_ws(',', sku, location, level, resolve_above) as line
  from threshold
  where (${location ?? null}::text is null or location = ${location ?? null})
    and (sku, location) > (${after?.sku ?? ''}, ${after?.location ?? ''})
  order by sku, location
  limit ${limit}`
