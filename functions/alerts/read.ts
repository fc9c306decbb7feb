import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import { Rejected } from '../../shared/errors.ts'
import { Count, Id, Location, page, pageQuery, Sku, Timestamp } from '../../shared/fields.ts'
import { service } from '../../shared/function/declare.ts'
import { operation } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import { type Alert, AlertBody, type AlertState, alertBody, alertStates, severities } from './alert.ts'
import { alertColumns, type HistoryRow } from './alert-rows.ts'

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
    state: z
      .enum([...alertStates, 'active'])
      .optional()
      .meta({ description: '`active` is every state but resolved.' }),
    severity: z.enum(severities).optional(),
    sku: Sku.optional(),
    location: Location.optional(),
    ...pageQuery,
  }),
  output: page(AlertBody).meta({ id: 'AlertPage' }),
  async handle({ db }, { state = null, severity = null, sku = null, location = null, limit, cursor }) {
    const [raisedAt = null, id = null] = decodeCursor(cursor, z.tuple([Timestamp, Id])) ?? []
    const rows = await db.alerts.sql<Alert[]>`
      select ${alertColumns(db.alerts.sql)}
      from alert
      where ${state === 'active' ? db.alerts.sql`state <> 'resolved'` : db.alerts.sql`(${state}::text is null or state = ${state})`}
        and (${severity}::text is null or severity = ${severity}) and (${sku}::text is null or sku = ${sku})
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
  output: z.object({ open: Count, acknowledged: Count, snoozed: Count, resolved: Count }).meta({ id: 'AlertSummary' }),
  async handle({ db }) {
    const counts = await db.alerts.sql<{ state: AlertState; count: number }[]>`
      select state, count(*) as count from alert group by state`
    const of = (state: AlertState) => counts.find(row => row.state === state)?.count ?? 0
    return { open: of('open'), acknowledged: of('acknowledged'), snoozed: of('snoozed'), resolved: of('resolved') }
  },
})

const HistoryEntry = z
  .object({
    action: z
      .string()
      .meta({ description: 'raised, worsened, acknowledged, snoozed, woken, muted, unmuted, escalated or resolved.' }),
    at: Timestamp,
    actor: z.string().nullable().meta({ description: 'Who did it; null where the stock or the clock did.' }),
    note: z.string().nullable(),
    severity: z.enum(severities),
    available: z.int(),
    snoozedUntil: Timestamp.nullable(),
    detail: z
      .record(z.string(), z.unknown())
      .nullable()
      .meta({ description: 'What mutes it; which step of which policy told whom.' }),
  })
  .meta({ id: 'AlertHistoryEntry' })

interface HistoryEntryRow extends Pick<HistoryRow, 'action' | 'at' | 'severity' | 'available'> {
  readonly actor: string | null
  readonly note: string | null
  readonly snoozedUntil: Date | null
  readonly detail: Record<string, unknown> | null
}

const readOne = alertOperation({
  id: 'alerts-read-one',
  route: 'GET /v1/alerts/{id}',
  summary: 'Read an alert',
  description: 'With its history: what the stock did, and who did what, oldest first.',
  allow,
  problems: ['not_found'],
  input: z.strictObject({ id: Id }),
  output: AlertBody.extend({ history: z.array(HistoryEntry) }).meta({ id: 'AlertWithHistory' }),
  async handle({ db }, { id }) {
    const { sql } = db.alerts
    const [[alert], history] = await Promise.all([
      sql<Alert[]>`select ${alertColumns(sql)} from alert where id = ${id}`,
      sql<HistoryEntryRow[]>`
        select action, at, actor, note, severity, available, snoozed_until as "snoozedUntil", detail
        from alert_history where alert_id = ${id} order by at, id`,
    ])
    if (!alert) throw new Rejected('not_found')
    const told = history.map(({ at, snoozedUntil, ...entry }) => ({
      ...{ ...entry, at: at.toISOString(), snoozedUntil: snoozedUntil?.toISOString() ?? null },
    }))
    return { ...alertBody(alert), history: told }
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
  operations: [summary, list, thresholds, readOne],
})
