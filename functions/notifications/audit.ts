import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import { Count, Id, page, pageQuery, Timestamp } from '../../shared/fields.ts'
import { operation } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import type { Seal } from '../../shared/security/seal.ts'
import { type Channel, channels } from './alert-facts.ts'
import { shownAddress } from './contact-address.ts'

const AuditEntry = z
  .object({
    notificationId: Id,
    kind: z.string().meta({ description: 'alert, digest, escalation, resolved or acknowledged.' }),
    channel: z.enum(channels),
    priority: z.enum(['normal', 'urgent']),
    recipientId: Id.nullable().meta({ description: 'Null: NOTIFY_TO.' }),
    address: z.string().meta({ description: 'Masked; `f•••` after the recipient was forgotten.' }),
    telling: Count.nullable().meta({ description: 'Which telling of the alert; null when it ended before the message went.' }),
    alerts: Count.meta({ description: 'How many the message is about.' }),
    fallbackOf: Id.nullable().meta({ description: 'The message that was late, and that this one took the place of.' }),
    state: z.string(),
    createdAt: Timestamp,
    steps: z.array(z.object({ at: Timestamp, state: z.string(), detail: z.string().nullable() })),
  })
  .meta({ id: 'NotificationAuditEntry' })

interface Row extends Omit<z.output<typeof AuditEntry>, 'createdAt'> {
  readonly channel: Channel
  readonly createdAt: Date
}

export const auditNotifications = operation<Deps<readonly ['db:notifications']> & { readonly seal: Seal }>()({
  id: 'notifications-audit',
  route: 'GET /v1/notifications/audit',
  summary: 'Who was told what of an alert',
  description: 'Every message about it, oldest first: to whom, by which channel, when, with each step of its way and why.',
  allow: ['notifications:read'],
  input: z.strictObject({ alertId: Id, ...pageQuery }),
  output: page(AuditEntry).meta({ id: 'NotificationAuditPage' }),
  async handle({ db, seal }, { alertId, limit, cursor }) {
    const [createdAt = null, after = null] = decodeCursor(cursor, z.tuple([Timestamp, Id])) ?? []
    const rows = await db.notifications.sql<Row[]>`
      select n.id as "notificationId", n.kind, n.channel, n.priority, n.recipient_id as "recipientId", n.recipient as address,
        (select max(telling) from notification_alert a where a.notification_id = n.id and a.alert_id = ${alertId}) as telling,
        (select count(distinct alert_id) from notification_alert a where a.notification_id = n.id) as alerts,
        n.fallback_of as "fallbackOf", n.state, n.created_at as "createdAt",
        coalesce((select json_agg(json_build_object('at', at, 'state', state, 'detail', detail) order by at, id)
                  from notification_history h where h.notification_id = n.id), '[]') as steps
      from notification n
      where n.id in (
          select id from notification where alert_id = ${alertId}
          union all select notification_id from notification_alert where alert_id = ${alertId})
        and (${createdAt}::timestamptz is null or (n.created_at, n.id) > (${createdAt}::timestamptz, ${after}::uuid))
      order by n.created_at, n.id
      limit ${limit + 1}`
    const { items, next } = pageOf(rows, limit, row => [row.createdAt.toISOString(), row.notificationId])
    const shown = items.map(async ({ address, steps, createdAt, ...row }) => ({
      ...row,
      address: shownAddress(row.channel, await seal.open(address)),
      createdAt: createdAt.toISOString(),
      steps: steps.map(step => ({ ...step, at: new Date(step.at).toISOString() })),
    }))
    return { items: await Promise.all(shown), next }
  },
})
