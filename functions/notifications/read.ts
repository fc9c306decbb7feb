import { z } from 'zod'
import { secret } from '../../shared/config.ts'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import { Count, Id, page, pageQuery, Timestamp } from '../../shared/fields.ts'
import { service } from '../../shared/function/declare.ts'
import { operation } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import { masked } from '../../shared/security/mask.ts'
import { type Seal, sealingKeysPattern, sealWith } from '../../shared/security/seal.ts'
import { auditNotifications } from './audit.ts'
import { countTold, toldFields } from './told-counts.ts'

const uses = ['db:notifications'] as const
const notificationOperation = operation<Deps<typeof uses> & { readonly seal: Seal }>()
const allow = ['notifications:read'] as const

const states = ['sending', 'sent', 'failed'] as const

const NotificationBody = z
  .object({
    id: Id,
    alertId: Id,
    channel: z.enum(['email']),
    recipient: z.string().meta({ description: 'Masked.', example: 'b•••@example.com' }),
    subject: z.string(),
    state: z.enum(states),
    attempts: Count,
    error: z.string().nullable(),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  })
  .meta({ id: 'Notification' })

interface Row extends Omit<z.output<typeof NotificationBody>, 'createdAt' | 'updatedAt'> {
  createdAt: Date
  updatedAt: Date
}

const list = notificationOperation({
  id: 'notifications-list',
  route: 'GET /v1/notifications',
  summary: 'List notifications',
  description: 'Newest first, a page at a time.',
  allow,
  input: z.strictObject({ state: z.enum(states).optional(), alertId: Id.optional(), ...pageQuery }),
  output: page(NotificationBody).meta({ id: 'NotificationPage' }),
  async handle({ db, seal }, { state = null, alertId = null, limit, cursor }) {
    const [createdAt = null, after = null] = decodeCursor(cursor, z.tuple([Timestamp, Id])) ?? []
    const rows = await db.notifications.sql<Row[]>`
      select id, alert_id as "alertId", channel, recipient, subject, state, attempts, error,
             created_at as "createdAt", updated_at as "updatedAt"
      from notification
      where (${state}::text is null or state = ${state}) and (${alertId}::uuid is null or alert_id = ${alertId})
        and (${createdAt}::timestamptz is null or (created_at, id) < (${createdAt}::timestamptz, ${after}::uuid))
      order by created_at desc, id desc
      limit ${limit + 1}`
    const { items, next } = pageOf(rows, limit, row => [row.createdAt.toISOString(), row.id])
    const shown = items.map(async row => ({
      ...row,
      recipient: masked(await seal.open(row.recipient)),
      createdAt: row.createdAt.toISOString(),
      updatedAt: row.updatedAt.toISOString(),
    }))
    return { items: await Promise.all(shown), next }
  },
})

const summary = notificationOperation({
  id: 'notifications-summary',
  route: 'GET /v1/notifications/summary',
  summary: 'Count notifications by state',
  allow,
  input: z.strictObject({}),
  output: z.object({ pending: Count, sent: Count, failed: Count, ...toldFields }).meta({ id: 'NotificationSummary' }),
  async handle({ db }) {
    const [counts] = await db.notifications.sql<{ pending: number; sent: number; failed: number }[]>`
      select count(*) filter (where state in ('queued', 'sending')) as pending, count(*) filter (where state = 'sent') as sent,
             count(*) filter (where state = 'failed') as failed
      from notification`
    return { ...(counts as { pending: number; sent: number; failed: number }), ...(await countTold(db.notifications.sql)) }
  },
})

export const readNotifications = service({
  name: 'notifications-read',
  summary: 'Read what was sent to whom',
  uses,
  config: z.object({ SEALING_KEYS: secret(z.string().regex(sealingKeysPattern)) }),
  setup: ({ config }) => ({ seal: sealWith(() => config.SEALING_KEYS) }),
  operations: [summary, auditNotifications, list],
})
