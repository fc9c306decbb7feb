import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import { Count, Id, Location, page, pageQuery, Sku, Timestamp } from '../../shared/fields.ts'
import { operation } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import { type Alert, AlertBody, type AlertState, alertBody, alertStates, type Severity, severities } from './alert.ts'
import { alertColumns } from './alert-rows.ts'
import { rules } from './matchers.ts'

export const readUses = ['db:alerts'] as const
export const alertOperation = operation<Deps<typeof readUses>>()
export const allow = ['alerts:read', 'alerts:write'] as const

const MutedBy = z
  .string()
  .regex(/^(silence:[0-9a-f-]{36}|inhibited:(count:[0-9a-f-]{36}|[a-z_]{1,40}))$/, 'true, false, or what mutes it')

export const list = alertOperation({
  id: 'alerts-list',
  route: 'GET /v1/alerts',
  summary: 'List alerts',
  description: 'Newest first, a page at a time.',
  allow,
  input: z.strictObject({
    state: z
      .enum([...alertStates, 'active'])
      .optional()
      .meta({ description: '`active` is every state but resolved.' }),
    severity: z.enum(severities).optional(),
    sku: Sku.optional(),
    location: Location.optional(),
    rule: z.enum(rules).optional(),
    category: z.string().trim().min(1).max(100).optional(),
    muted: z
      .union([z.enum(['true', 'false']), MutedBy])
      .optional()
      .meta({
        description: 'Whether it is muted, or by what: `silence:<id>`, `inhibited:count:<id>`, `inhibited:out_of_stock`.',
      }),
    acknowledgedBy: z.string().trim().min(1).max(200).optional(),
    ...pageQuery,
  }),
  output: page(AlertBody).meta({ id: 'AlertPage' }),
  async handle({ db }, { state = null, severity = null, sku = null, location = null, limit, cursor, ...input }) {
    const { sql } = db.alerts
    const { rule = null, category = null, muted = null, acknowledgedBy = null } = input
    const [raisedAt = null, id = null] = decodeCursor(cursor, z.tuple([Timestamp, Id])) ?? []
    const rows = await sql<Alert[]>`
      select ${alertColumns(sql)}
      from alert
      where ${state === 'active' ? sql`state <> 'resolved'` : sql`(${state}::text is null or state = ${state})`}
        and (${severity}::text is null or severity = ${severity}) and (${sku}::text is null or sku = ${sku})
        and (${location}::text is null or location = ${location}) and (${rule}::text is null or rule = ${rule})
        and (${category}::text is null or category = ${category})
        and (${acknowledgedBy}::text is null or acknowledged_by = ${acknowledgedBy})
        and case ${muted}::text when 'true' then muted is not null when 'false' then muted is null
          else ${muted}::text is null or muted = ${muted} end
        and (${raisedAt}::timestamptz is null or (raised_at, id) < (${raisedAt}::timestamptz, ${id}::uuid))
      order by raised_at desc, id desc
      limit ${limit + 1}`
    const { items, next } = pageOf(rows, limit, alert => [alert.raisedAt.toISOString(), alert.id])
    return { items: items.map(alertBody), next }
  },
})

const Counts = z.object({ open: Count, acknowledged: Count, snoozed: Count, resolved: Count })

export const summary = alertOperation({
  id: 'alerts-summary',
  route: 'GET /v1/alerts/summary',
  summary: 'Count alerts by state and severity',
  allow,
  input: z.strictObject({}),
  output: z
    .object({
      ...Counts.shape,
      muted: Count.meta({ description: 'Of those that are not resolved.' }),
      severities: z.object({ low: Counts, critical: Counts, out_of_stock: Counts }),
    })
    .meta({ id: 'AlertSummary' }),
  async handle({ db }) {
    const rows = await db.alerts.sql<{ state: AlertState; severity: Severity; count: number; muted: number }[]>`
      select state, severity, count(*) as count, count(*) filter (where muted is not null and state <> 'resolved') as muted
      from alert group by state, severity`
    const sum = (counted: typeof rows, of: 'count' | 'muted') => counted.reduce((total, row) => total + row[of], 0)
    const byState = (counted: typeof rows) =>
      Object.fromEntries(
        alertStates.map(state => [state, sum(counted.filter(row => row.state === state) as typeof rows, 'count')]),
      ) as z.output<typeof Counts>
    const bySeverity = severities.map(severity => [
      severity,
      byState(rows.filter(row => row.severity === severity) as typeof rows),
    ])
    return { ...byState(rows), muted: sum(rows, 'muted'), severities: Object.fromEntries(bySeverity) }
  },
})
