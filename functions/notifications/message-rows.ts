import type { Tx } from '../../shared/data/postgres.ts'
import type { NewEvent } from '../../shared/events/catalog.ts'
import { insertOutbox, outboxRow } from '../../shared/events/outbox.ts'
import type { Channel, Severity } from './alert-facts.ts'
import type { Words } from './template-engine.ts'

export type MessageKind = 'alert' | 'resolved' | 'escalation' | 'digest' | 'acknowledged'
export type Priority = 'normal' | 'urgent'

export interface NewMessage extends Words {
  readonly id: string
  /** However often it is planned, it is one. */
  readonly dedupKey: string
  readonly kind: MessageKind
  readonly channel: Channel
  readonly priority: Priority
  readonly severity: Severity
  readonly alerts: readonly { readonly alertId: string; readonly telling: number }[]
  /** The alert whose id names the incident; null: the message is about several. */
  readonly alertId: string | null
  readonly recipientId: string | null
  readonly contactId: string | null
  /** Sealed. */
  readonly address: string
  readonly payload: unknown
  /** Not before, because of quiet hours. */
  readonly heldUntil: Date | null
  readonly deliverBy: Date | null
  readonly fallbackChannels: readonly Channel[]
  readonly tellsRecovery: boolean
  readonly traceparent: string
}

/** The event that wakes the lane of a message for the first time. */
export const queuedEvent = ({ id, channel, priority }: Pick<NewMessage, 'id' | 'channel' | 'priority'>): NewEvent => ({
  type: priority === 'urgent' ? 'tidemark.page.queued.v1' : 'tidemark.notification.queued.v1',
  data: { notificationId: id, channel, attempt: 1 },
})

/** Writes messages with what they are about, their first step and the events that send them. A held one is woken by the schedule. */
export async function queueMessages(tx: Tx, messages: readonly NewMessage[], newId: () => string, now: Date): Promise<void> {
  if (messages.length === 0) return
  const of = <T>(value: (message: NewMessage) => T) => messages.map(value)
  const iso = (value: (message: NewMessage) => Date | null) => messages.map(message => value(message)?.toISOString() ?? null)
  await tx`
    insert into notification (id, dedup_key, kind, channel, priority, severity, alert_id, telling, recipient_id, contact_id, recipient,
      subject, body, html, payload, next_attempt_at, held, deliver_by, fallback_channels, tells_recovery, traceparent,
      state, attempts, created_at, updated_at)
    select id, dedup_key, kind, channel, priority, severity, alert_id, telling, recipient_id, contact_id, recipient,
      subject, body, html, payload::jsonb, held_until, held_until is not null, deliver_by, fallback_channels::text[],
      tells_recovery::boolean, traceparent, 'queued', 0, ${now}, ${now}
    from unnest(
      ${of(m => m.id)}::uuid[], ${of(m => m.dedupKey)}::text[], ${of(m => m.kind)}::text[], ${of(m => m.channel)}::text[],
      ${of(m => m.priority)}::text[], ${of(m => m.severity)}::text[], ${of(m => m.alertId)}::uuid[],
      ${of(m => m.alerts[0]?.telling ?? 1)}::int[], ${of(m => m.recipientId)}::uuid[], ${of(m => m.contactId)}::uuid[],
      ${of(m => m.address)}::text[], ${of(m => m.subject)}::text[], ${of(m => m.body)}::text[], ${of(m => m.html)}::text[],
      ${of(m => JSON.stringify(m.payload))}::text[], ${iso(m => m.heldUntil)}::timestamptz[], ${iso(m => m.deliverBy)}::timestamptz[],
      ${of(m => `{${m.fallbackChannels.join(',')}}`)}::text[], ${of(m => String(m.tellsRecovery))}::text[], ${of(m => m.traceparent)}::text[]
    ) as m (id, dedup_key, kind, channel, priority, severity, alert_id, telling, recipient_id, contact_id, recipient, subject, body, html,
      payload, held_until, deliver_by, fallback_channels, tells_recovery, traceparent)`
  const about = messages.flatMap(({ id, alerts }) => alerts.map(alert => ({ id, ...alert })))
  await tx`
    insert into notification_alert (notification_id, alert_id, telling)
    select * from unnest(${about.map(({ id }) => id)}::uuid[], ${about.map(({ alertId }) => alertId)}::uuid[],
      ${about.map(({ telling }) => telling)}::int[])`
  await noteSteps(
    tx,
    messages.map(({ id, heldUntil }) => ({
      id,
      state: 'queued',
      detail: heldUntil && `quiet hours until ${heldUntil.toISOString()}`,
    })),
    newId,
    now,
  )
  await insertOutbox(
    tx,
    messages
      .filter(({ heldUntil }) => heldUntil === null)
      .map(message => outboxRow(queuedEvent(message), newId(), message.traceparent)),
  )
}

export const noteSteps = (
  tx: Tx,
  steps: readonly { readonly id: string; readonly state: string; readonly detail: string | null }[],
  newId: () => string,
  now: Date,
): PromiseLike<unknown> => tx`
  insert into notification_history (id, notification_id, at, state, detail)
  select id, notification_id, ${now}, state, detail
  from unnest(${steps.map(() => newId())}::uuid[], ${steps.map(({ id }) => id)}::uuid[], ${steps.map(({ state }) => state)}::text[],
    ${steps.map(({ detail }) => detail)}::text[]) as step (id, notification_id, state, detail)`

/** Held messages whose quiet hours are over, made to go. @returns how many */
export async function wakeHeld(tx: Tx, newId: () => string, now: Date, limit: number): Promise<number> {
  const rows = await tx<{ id: string; channel: Channel; priority: Priority; traceparent: string }[]>`
    update notification set held = false, next_attempt_at = null, queued_at = ${now}, updated_at = ${now}
    where id in (
      select id from notification where held and next_attempt_at <= ${now} and state = 'queued'
      order by next_attempt_at limit ${limit} for update skip locked)
    returning id, channel, priority, traceparent`
  await insertOutbox(
    tx,
    rows.map(row => outboxRow(queuedEvent(row), newId(), row.traceparent)),
  )
  return rows.length
}
