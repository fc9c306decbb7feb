import type { Tx } from '../../shared/data/postgres.ts'
import type { Channel, Severity } from './alert-facts.ts'
import type { Person } from './audience.ts'
import type { MessageKind, Priority } from './message-rows.ts'
import { loadPeopleById } from './people-rows.ts'
import { type Planning, standardPerson } from './planning.ts'

/** A message about alerts, as far as what becomes of it needs. */
export interface About {
  readonly id: string
  readonly kind: MessageKind
  readonly channel: Channel
  readonly priority: Priority
  readonly severity: Severity
  readonly state: string
  readonly attempts: number
  /** The incident. */
  readonly alertId: string | null
  readonly recipientId: string | null
  readonly contactId: string | null
  readonly address: string
  readonly tellsRecovery: boolean
  readonly alertIds: readonly string[]
}

/** Messages about some alerts that have said, or were to say, that they stand. Those that still wait are locked. */
export async function messagesAbout(tx: Tx, alertIds: readonly string[]): Promise<About[]> {
  // Locked in one order before they are read: sending takes them one by one.
  await tx`
    select 1 from notification
    where state = 'queued' and id in (select notification_id from notification_alert where alert_id = any (${alertIds}::uuid[]))
    order by id for update`
  return tx<About[]>`
    select n.id, n.kind, n.channel, n.priority, n.severity, n.state, n.attempts, n.alert_id as "alertId", n.recipient_id as "recipientId",
      n.contact_id as "contactId", n.recipient as address, n.tells_recovery as "tellsRecovery",
      (select json_agg(alert_id) from notification_alert a where a.notification_id = n.id) as "alertIds"
    from notification n
    where n.kind in ('alert', 'escalation', 'digest')
      and n.id in (select notification_id from notification_alert where alert_id = any (${alertIds}::uuid[]))
    order by n.id`
}

/** Whom a message is for; undefined when the recipient was forgotten. */
export async function peopleOf(
  tx: Tx,
  planning: Planning,
  messages: readonly About[],
): Promise<(message: About) => Person | undefined> {
  const ids = [...new Set(messages.flatMap(({ recipientId }) => recipientId ?? []))]
  const people = await loadPeopleById(tx, ids)
  const standard = await standardPerson(planning.seal, planning.settings())
  return ({ recipientId }) => (recipientId === null ? standard : people.get(recipientId))
}
