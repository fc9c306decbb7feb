import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import { Rejected } from '../../shared/errors.ts'
import { Count, Id, page, pageQuery, Timestamp } from '../../shared/fields.ts'
import { service } from '../../shared/function/declare.ts'
import { operation } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import { type Seal, sealWith } from '../../shared/security/seal.ts'
import { auditNotifications } from './audit.ts'
import { channelNames } from './channels/channel.ts'
import { SealingKeys } from './channels/settings.ts'
import { NotificationBody, type NotificationRow, notificationBody, notificationColumns } from './notification-body.ts'
import { notificationStates } from './notification-state.ts'
import { countTold, toldFields } from './told-counts.ts'

const uses = ['db:notifications'] as const
const notificationOperation = operation<Deps<typeof uses> & { readonly seal: Seal }>()
const allow = ['notifications:read'] as const

const list = notificationOperation({
  id: 'notifications-list',
  route: 'GET /v1/notifications',
  summary: 'List notifications',
  description:
    'Newest first, a page at a time. `alertId` finds those about several alerts, too. `state=failed` are the dead letters.',
  allow,
  input: z.strictObject({
    state: z.enum(notificationStates).optional(),
    channel: z.enum(channelNames).optional(),
    recipientId: Id.optional(),
    alertId: Id.optional(),
    ...pageQuery,
  }),
  output: page(NotificationBody).meta({ id: 'NotificationPage' }),
  async handle({ db, seal }, { state, channel, recipientId, alertId, limit, cursor }) {
    const [createdAt, after] = decodeCursor(cursor, z.tuple([Timestamp, Id])) ?? []
    const { sql } = db.notifications
    // Only the conditions that are asked for: each has an index of its own.
    const rows = await sql<NotificationRow[]>`
      select ${notificationColumns(sql)}
      from notification n
      where true
        ${state ? sql`and state = ${state}` : sql``}
        ${channel ? sql`and channel = ${channel}` : sql``}
        ${recipientId ? sql`and recipient_id = ${recipientId}` : sql``}
        ${
          alertId
            ? sql`and id in (
                select id from notification where alert_id = ${alertId}
                union all select notification_id from notification_alert where alert_id = ${alertId})`
            : sql``
        }
        ${createdAt && after ? sql`and (created_at, id) < (${createdAt}::timestamptz, ${after}::uuid)` : sql``}
      order by created_at desc, id desc
      limit ${limit + 1}`
    const { items, next } = pageOf(rows, limit, row => [row.createdAt.toISOString(), row.id])
    return { items: await Promise.all(items.map(row => notificationBody(row, seal))), next }
  },
})

const Told = NotificationBody.extend({
  text: z.string().nullable().meta({ description: 'What was said.' }),
  alerts: z.array(Id).meta({ description: 'The alerts that it is about.' }),
  history: z.array(z.object({ at: Timestamp, state: z.enum(notificationStates), detail: z.string().nullable() })),
}).meta({ id: 'NotificationWithHistory' })

interface ToldRow extends NotificationRow {
  readonly text: string | null
  readonly alerts: string[]
  readonly history: z.output<typeof Told>['history']
}

const get = notificationOperation({
  id: 'notifications-get',
  route: 'GET /v1/notifications/{id}',
  summary: 'Read one notification with its history',
  description: 'What was said, to whom, and each step with its time and reason.',
  allow,
  problems: ['not_found'],
  input: z.strictObject({ id: Id }),
  output: Told,
  async handle({ db, seal }, { id }) {
    const { sql } = db.notifications
    const [row] = await sql<ToldRow[]>`
      select ${notificationColumns(sql)}, body as text,
        coalesce((select json_agg(alert_id order by alert_id) from notification_alert a where a.notification_id = n.id),
                 case when alert_id is null then '[]' else json_build_array(alert_id) end) as alerts,
        coalesce((select json_agg(json_build_object('at', at, 'state', state, 'detail', detail) order by at, id)
                  from notification_history h where h.notification_id = n.id), '[]') as history
      from notification n where id = ${id}`
    if (!row) throw new Rejected('not_found')
    const history = row.history.map(step => ({ ...step, at: new Date(step.at).toISOString() }))
    return { ...(await notificationBody(row, seal)), text: row.text, alerts: row.alerts, history }
  },
})

const summary = notificationOperation({
  id: 'notifications-summary',
  route: 'GET /v1/notifications/summary',
  summary: 'Count notifications by state',
  allow,
  input: z.strictObject({}),
  output: z
    .object({
      pending: Count.meta({ description: 'Queued, or being sent.' }),
      sent: Count.meta({ description: 'Taken by their provider, delivered ones too.' }),
      failed: Count.meta({ description: 'Failed, or bounced.' }),
      ...toldFields,
      states: z.record(z.enum(notificationStates), Count),
    })
    .meta({ id: 'NotificationSummary' }),
  async handle({ db }) {
    const [rows, told] = await Promise.all([
      db.notifications.sql<{ state: (typeof notificationStates)[number]; count: number }[]>`
        select state, count(*) as count from notification group by state`,
      countTold(db.notifications.sql),
    ])
    const states = Object.fromEntries(notificationStates.map(state => [state, 0])) as Record<
      (typeof notificationStates)[number],
      number
    >
    for (const { state, count } of rows) states[state] = count
    const { queued, sending, sent, delivered, failed, bounced } = states
    return { pending: queued + sending, sent: sent + delivered, failed: failed + bounced, ...told, states }
  },
})

export const readNotifications = service({
  name: 'notifications-read',
  summary: 'Read what was sent to whom',
  uses,
  config: z.object({ SEALING_KEYS: SealingKeys }),
  setup: ({ config }) => ({ seal: sealWith(() => config.SEALING_KEYS) }),
  operations: [summary, auditNotifications, list, get],
})
