import { z } from 'zod'
import { idempotently } from '../../shared/data/idempotency.ts'
import type { Tx } from '../../shared/data/postgres.ts'
import { Rejected } from '../../shared/errors.ts'
import { publish } from '../../shared/events/outbox.ts'
import { Count, Id, Timestamp } from '../../shared/fields.ts'
import { service } from '../../shared/function/declare.ts'
import { operation, Reply } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import { type Seal, sealWith } from '../../shared/security/seal.ts'
import { type ChannelName, channelNames } from './channels/channel.ts'
import { SealingKeys } from './channels/settings.ts'
import { insertHistory } from './delivery-rows.ts'
import { queuedEvent } from './fall-back.ts'
import { NotificationBody, type NotificationRow, notificationBody, notificationColumns } from './notification-body.ts'
import type { NotificationState } from './notification-state.ts'
import type { Priority } from './retry-plan.ts'

const uses = ['db:notifications'] as const
type Sending = Deps<typeof uses> & { readonly seal: Seal }
const againOperation = operation<Sending>()
const common = { allow: ['notifications:write'], idempotent: true, problems: ['not_found'], example: {} } as const

/** What failed; a bounce too, for its mailbox may be repaired. */
const failed = ['failed', 'bounced'] as const
/** What a receiver may want once more: all that ended, and not what is on its way anyhow. */
const ended = [...failed, 'sent', 'delivered'] as const

interface Queued {
  readonly id: string
  readonly channel: ChannelName
  readonly priority: Priority
}

/** Puts ended messages back to the beginning: all their tries are before them again. One that is not in these states is left as it is. */
async function again(
  tx: Tx,
  ids: readonly string[],
  from: readonly NotificationState[],
  detail: string,
  { newId, now }: Pick<Sending, 'newId' | 'now'>,
): Promise<number> {
  const at = now()
  const rows = await tx<Queued[]>`
    update notification
    set state = 'queued', attempts = 0, error = null, next_attempt_at = null, deliver_by = null, queued_at = ${at}, updated_at = ${at}
    where id in (select id from notification where id = any (${ids}::uuid[]) and state = any (${from}::text[]) order by id for update)
    returning id, channel, priority`
  if (rows.length === 0) return 0
  await insertHistory(
    tx,
    rows.map(({ id }) => ({ id: newId(), notificationId: id, state: 'queued', detail })),
    at,
  )
  await publish(
    tx,
    newId,
    rows.map(row => queuedEvent({ ...row, attempts: 0 })),
  )
  return rows.length
}

async function one(tx: Tx, id: string, seal: Seal) {
  const [row] = await tx<NotificationRow[]>`select ${notificationColumns(tx)} from notification where id = ${id}`
  if (!row) throw new Rejected('not_found')
  return Reply.of(200, await notificationBody(row, seal))
}

const retry = againOperation({
  ...common,
  id: 'notifications-retry',
  route: 'POST /v1/notifications/{id}/retry',
  summary: 'Try a failed notification again',
  description: 'All its tries are before it again. One that has not failed is answered as it is.',
  input: z.strictObject({ id: Id }),
  output: NotificationBody,
  handle: (deps, { id }, call) =>
    idempotently(deps.db.notifications, call, async tx => {
      await again(tx, [id], failed, `tried again by ${call.subject}`, deps)
      return one(tx, id, deps.seal)
    }),
})

const replay = againOperation({
  ...common,
  id: 'notifications-replay',
  route: 'POST /v1/notifications/{id}/replay',
  summary: 'Send a webhook once more',
  description:
    'At the wish of its receiver, delivered or not. It keeps its `webhook-id`, by which a receiver that has it already knows it.',
  input: z.strictObject({ id: Id }),
  output: NotificationBody,
  handle: (deps, { id }, call) =>
    idempotently(deps.db.notifications, call, async tx => {
      const [row] = await tx<{ channel: ChannelName }[]>`select channel from notification where id = ${id}`
      if (row && row.channel !== 'webhook') {
        throw new Rejected('invalid_input', `id: this is ${row.channel}, and only webhooks are sent twice.`, {
          errors: [{ field: 'id', message: 'not a webhook' }],
        })
      }
      await again(tx, [id], ended, `replayed by ${call.subject}`, deps)
      return one(tx, id, deps.seal)
    }),
})

/** Messages that one request puts back. */
const together = 1_000

const retryMany = againOperation({
  ...common,
  problems: [],
  id: 'notifications-retry-many',
  route: 'POST /v1/notifications/retry',
  summary: 'Try many failed notifications again',
  description: 'The oldest first, a thousand at a time: ask again while there are more, each time with another key.',
  example: { channel: 'sms', since: '2026-01-01T00:00:00Z' },
  input: z.strictObject({
    channel: z.enum(channelNames).optional(),
    recipientId: Id.optional(),
    since: Timestamp.optional().meta({ description: 'Made at this time or later.' }),
    until: Timestamp.optional().meta({ description: 'Made before this time.' }),
  }),
  output: z
    .object({ retried: Count, more: z.boolean().meta({ description: 'There are more that failed.' }) })
    .meta({ id: 'NotificationsRetried' }),
  handle: (deps, { channel, recipientId, since, until }, call) =>
    idempotently(deps.db.notifications, call, async tx => {
      const rows = await tx<{ id: string }[]>`
        select id from notification
        where state in ('failed', 'bounced')
          ${channel ? tx`and channel = ${channel}` : tx``}
          ${recipientId ? tx`and recipient_id = ${recipientId}` : tx``}
          ${since ? tx`and created_at >= ${since}::timestamptz` : tx``}
          ${until ? tx`and created_at < ${until}::timestamptz` : tx``}
        order by created_at, id limit ${together + 1}`
      const ids = rows.slice(0, together).map(({ id }) => id)
      const retried = await again(tx, ids, failed, `tried again by ${call.subject}`, deps)
      return Reply.of(200, { retried, more: rows.length > together })
    }),
})

export const sendAgain = service({
  name: 'notifications-retry',
  summary: 'Send again what failed, or what a receiver wants once more',
  uses,
  config: z.object({ SEALING_KEYS: SealingKeys }),
  setup: ({ config }) => ({ seal: sealWith(() => config.SEALING_KEYS) }),
  operations: [retryMany, retry, replay],
})
