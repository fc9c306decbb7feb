import type { Tx } from '../../shared/data/postgres.ts'
import type { NewEvent } from '../../shared/events/catalog.ts'
import { currentTraceparent, publish } from '../../shared/events/outbox.ts'
import type { ChannelName } from './channels/channel.ts'
import { insertHistory } from './delivery-rows.ts'
import type { NotificationState } from './notification-state.ts'
import type { Priority } from './retry-plan.ts'

/** The event that wakes the lane of a message. */
export const queuedEvent = (message: { id: string; channel: ChannelName; priority: Priority; attempts: number }): NewEvent => ({
  type: message.priority === 'urgent' ? 'tidemark.page.queued.v1' : 'tidemark.notification.queued.v1',
  data: { notificationId: message.id, channel: message.channel, attempt: message.attempts + 1 },
})

interface Found {
  readonly id: string
  readonly fallbackOf: string
  readonly channel: ChannelName
  readonly priority: Priority
  /** Of the one that it takes the place of. */
  readonly state: NotificationState
}

/**
 * Plans messages anew, with the same words, on the first of their `fallback_channels` for which their recipient has a contact that is
 * not disabled. Once for each: what falls back is late no longer, and its successor carries the channels that are left. The successor
 * has as much time as its forerunner had.
 *
 * @returns the ids of those that found another way
 */
export async function fallBack(tx: Tx, ids: readonly string[], newId: () => string, now: Date): Promise<Set<string>> {
  if (ids.length === 0) return new Set()
  const successors = await tx<Found[]>`
    with late as (
      select n.*, h.new_id
      from notification n join unnest(${ids}::uuid[], ${ids.map(() => newId())}::uuid[]) as h (of, new_id) on h.of = n.id
      where cardinality(n.fallback_channels) > 0 and n.recipient_id is not null
        and not exists (select 1 from notification s where s.fallback_of = n.id)
    ), way as (
      select distinct on (late.id) late.id, c.id as contact_id, c.channel, c.address, tried.place
      from late
      cross join lateral unnest(late.fallback_channels) with ordinality as tried (channel, place)
      join contact c on c.recipient_id = late.recipient_id and c.channel = tried.channel and c.disabled_at is null
      order by late.id, tried.place, c.updated_at desc, c.id
    ), planned as (
      insert into notification (id, alert_id, telling, channel, recipient, subject, state, attempts, traceparent, created_at, updated_at,
        queued_at, dedup_key, kind, priority, severity, recipient_id, contact_id, body, html, payload, deliver_by, fallback_channels, fallback_of)
      select late.new_id, late.alert_id, late.telling, way.channel, way.address, late.subject, 'queued', 0,
        coalesce(nullif(${currentTraceparent()}, ''), late.traceparent), ${now}, ${now}, ${now}, 'fallback:' || late.id, late.kind, late.priority, late.severity, late.recipient_id,
        way.contact_id, late.body, late.html, late.payload, ${now}::timestamptz + (late.deliver_by - late.created_at),
        late.fallback_channels[way.place + 1:], late.id
      from late join way on way.id = late.id
      on conflict (dedup_key) do nothing
      returning id, fallback_of, channel, priority
    ), about as (
      insert into notification_alert (notification_id, alert_id, telling)
      select planned.id, a.alert_id, a.telling from planned join notification_alert a on a.notification_id = planned.fallback_of
    )
    select planned.id, planned.fallback_of as "fallbackOf", planned.channel, planned.priority, late.state
    from planned join late on late.id = planned.fallback_of`
  if (successors.length === 0) return new Set()
  await insertHistory(
    tx,
    successors.flatMap(({ id, fallbackOf, channel, state }) => [
      { id: newId(), notificationId: fallbackOf, state, detail: `falls back to ${channel}` },
      { id: newId(), notificationId: id, state: 'queued' as const, detail: `in place of ${fallbackOf}` },
    ]),
    now,
  )
  await publish(
    tx,
    newId,
    successors.map(successor => queuedEvent({ ...successor, attempts: 0 })),
  )
  return new Set(successors.map(({ fallbackOf }) => fallbackOf))
}
