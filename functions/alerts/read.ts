import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import { Count, Id, Location, page, pageQuery, Sku, Timestamp } from '../../shared/fields.ts'
import { service } from '../../shared/function/declare.ts'
import { operation } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import { type Alert, AlertBody, alertBody } from './alert.ts'

const uses = ['db:alerts'] as const
const alertOperation = operation<Deps<typeof uses>>()
const allow = ['alerts:read', 'alerts:write'] as const

const list = alertOperation({
  id: 'alerts-list',
  route: 'GET /v1/alerts',
  summary: 'List alerts',
  description: 'Newest first, a page at a time.',
  allow,
  input: z.strictObject({
    state: z.enum(['open', 'resolved']).optional(),
    sku: Sku.optional(),
    location: Location.optional(),
    ...pageQuery,
  }),
  output: page(AlertBody).meta({ id: 'AlertPage' }),
  async handle({ db }, { state = null, sku = null, location = null, limit, cursor }) {
    const [raisedAt = null, id = null] = decodeCursor(cursor, z.tuple([Timestamp, Id])) ?? []
    const rows = await db.alerts.sql<Alert[]>`
      select id, sku, location, state, severity, threshold, available, stock_version as "stockVersion",
             raised_at as "raisedAt", resolved_at as "resolvedAt"
      from alert
      where (${state}::text is null or state = ${state}) and (${sku}::text is null or sku = ${sku})
        and (${location}::text is null or location = ${location})
        and (${raisedAt}::timestamptz is null or (raised_at, id) < (${raisedAt}::timestamptz, ${id}::uuid))
      order by raised_at desc, id desc
      limit ${limit + 1}`
    const { items, next } = pageOf(rows, limit, alert => [alert.raisedAt.toISOString(), alert.id])
    return { items: items.map(alertBody), next }
  },
})

const summary = alertOperation({
  id: 'alerts-summary',
  route: 'GET /v1/alerts/summary',
  summary: 'Count alerts by state',
  allow,
  input: z.strictObject({}),
  output: z.object({ open: Count, resolved: Count }).meta({ id: 'AlertSummary' }),
  async handle({ db }) {
    const [counts] = await db.alerts.sql<{ open: number; resolved: number }[]>`
      select count(*) filter (where state = 'open') as open, count(*) filter (where state = 'resolved') as resolved from alert`
    return counts as { open: number; resolved: number }
  },
})

const ThresholdBody = z
  .object({ sku: Sku, location: Location, level: Count, resolveAbove: Count, updatedAt: Timestamp, updatedBy: z.string() })
  .meta({ id: 'Threshold' })

const thresholds = alertOperation({
  id: 'thresholds-list',
  route: 'GET /v1/thresholds',
  summary: 'List thresholds',
  allow,
  input: z.strictObject({ sku: Sku.optional(), location: Location.optional(), ...pageQuery }),
  output: page(ThresholdBody).meta({ id: 'ThresholdPage' }),
  async handle({ db }, { sku = null, location = null, limit, cursor }) {
    const [afterSku = null, afterLocation = null] = decodeCursor(cursor, z.tuple([Sku, Location])) ?? []
    const rows = await db.alerts.sql<
      { sku: string; location: string; level: number; resolveAbove: number; updatedAt: Date; updatedBy: string }[]
    >`
      select sku, location, level, resolve_above as "resolveAbove", updated_at as "updatedAt", updated_by as "updatedBy"
      from threshold
      where (${sku}::text is null or sku = ${sku}) and (${location}::text is null or location = ${location})
        and (${afterSku}::text is null or (sku, location) > (${afterSku}, ${afterLocation}))
      order by sku, location
      limit ${limit + 1}`
    const { items, next } = pageOf(rows, limit, threshold => [threshold.sku, threshold.location])
    return { items: items.map(row => ({ ...row, updatedAt: row.updatedAt.toISOString() })), next }
  },
})

export const readAlerts = service({
  name: 'alerts-read',
  summary: 'Read alerts and thresholds',
  uses,
  operations: [summary, list, thresholds],
})
