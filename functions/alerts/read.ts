import { z } from 'zod'
import { Rejected } from '../../shared/errors.ts'
import { Id, Timestamp } from '../../shared/fields.ts'
import { service } from '../../shared/function/declare.ts'
import { type Alert, AlertBody, alertBody, severities } from './alert.ts'
import { alertOperation, allow, list, readUses, summary } from './alert-list.ts'
import { alertColumns, type HistoryRow } from './alert-rows.ts'
import { listOfProfiles } from './category-read.ts'
import { effectiveThresholds } from './threshold-effective.ts'
import { historyOfThresholds, listOfThresholds } from './threshold-read.ts'

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

export const readAlerts = service({
  name: 'alerts-read',
  summary: 'Read alerts, thresholds, and what alerts know of SKUs',
  uses: readUses,
  operations: [summary, list, listOfThresholds, historyOfThresholds, effectiveThresholds, listOfProfiles, readOne],
})
