import { z } from 'zod'
import type { Queryable } from '../../shared/data/postgres.ts'
import { Count, Id, Timestamp } from '../../shared/fields.ts'
import { masked } from '../../shared/security/mask.ts'
import type { Seal } from '../../shared/security/seal.ts'
import { channelNames } from './channels/channel.ts'
import { notificationStates } from './notification-state.ts'

export const NotificationBody = z
  .object({
    id: Id,
    alertId: Id.nullable().meta({ description: 'Null: it is about several.' }),
    kind: z.enum(['alert', 'resolved', 'escalation', 'digest', 'acknowledged']),
    channel: z.enum(channelNames),
    priority: z.enum(['normal', 'urgent']),
    severity: z.string().nullable(),
    recipientId: Id.nullable(),
    contactId: Id.nullable(),
    recipient: z.string().meta({ description: 'Masked.', example: 'b•••@example.com' }),
    subject: z.string(),
    state: z.enum(notificationStates),
    attempts: Count,
    error: z.string().nullable(),
    providerId: z.string().nullable().meta({ description: "The provider's name for it." }),
    fallbackOf: Id.nullable().meta({ description: 'The message in whose place it goes.' }),
    nextAttemptAt: Timestamp.nullable(),
    deliverBy: Timestamp.nullable().meta({ description: 'Not delivered by then, it goes another way.' }),
    createdAt: Timestamp,
    updatedAt: Timestamp,
  })
  .meta({ id: 'Notification' })

type Dates = 'createdAt' | 'updatedAt' | 'nextAttemptAt' | 'deliverBy'
export interface NotificationRow extends Omit<z.output<typeof NotificationBody>, Dates> {
  readonly createdAt: Date
  readonly updatedAt: Date
  readonly nextAttemptAt: Date | null
  readonly deliverBy: Date | null
}

export const notificationColumns = (sql: Queryable) => sql`
  id, alert_id as "alertId", kind, channel, priority, severity, recipient_id as "recipientId", contact_id as "contactId", recipient, subject,
  state, attempts, error, provider_id as "providerId", fallback_of as "fallbackOf", next_attempt_at as "nextAttemptAt",
  deliver_by as "deliverBy", created_at as "createdAt", updated_at as "updatedAt"`

export async function notificationBody(row: NotificationRow, seal: Seal): Promise<z.output<typeof NotificationBody>> {
  // Only a routing key or a token is all secret; of an address the mask keeps what helps to recognise it.
  return {
    ...row,
    recipient: masked(await seal.open(row.recipient)),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    nextAttemptAt: row.nextAttemptAt?.toISOString() ?? null,
    deliverBy: row.deliverBy?.toISOString() ?? null,
  }
}
