import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import { Rejected } from '../../shared/errors.ts'
import { Count, Id, Location, page, pageQuery, Sku, Timestamp } from '../../shared/fields.ts'
import { service } from '../../shared/function/declare.ts'
import { type Alert, AlertBody, alertBody, severities } from './alert.ts'
import { alertOperation, allow, list, readUses, summary } from './alert-list.ts'
import { alertColumns, type HistoryRow } from './alert-rows.ts'

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
  uses: readUses,
  operations: [summary, list, thresholds, readOne],
})
