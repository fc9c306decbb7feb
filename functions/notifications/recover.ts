import type { Tx } from '../../shared/data/postgres.ts'
import { worstOf } from './alert-facts.ts'
import { compose, incidentOf, payloadOf } from './compose.ts'
import { leaveDigests } from './digest-rows.ts'
import { follow } from './follow.ts'
import { noteSteps } from './message-rows.ts'
import { type About, messagesAbout, peopleOf } from './messages-about.ts'
import type { Loaded, Planning } from './planning.ts'
import { factsOf, type Standing } from './standing.ts'
import { readStanding } from './standing-rows.ts'

/** Alerts that ended: nobody is told any more who was not yet, and who was is told of the end, if the route says so. */
export async function recover(
  tx: Tx,
  planning: Planning,
  loaded: Loaded,
  ended: readonly Standing[],
  now: Date,
  traceparent: string,
) {
  const messages = await withdraw(tx, planning, loaded, ended, 'ended', now)
  // One that was tried may have arrived though its answer did not.
  const told = messages.filter(
    ({ state, attempts }) => ['sending', 'sent', 'delivered'].includes(state) || (state === 'queued' && attempts > 0),
  )
  const by = ended.find(({ resolvedBy }) => resolvedBy !== null)?.resolvedBy ?? null
  await follow(tx, planning, loaded, 'resolved', told, ended, by, alert => alert.resolvedAt !== null, now, traceparent)
}

/**
 * Takes alerts out of all that waits: open digests, and messages that are still queued. The last one of a message cancels it.
 * @returns all messages about them, as they were
 */
export async function withdraw(
  tx: Tx,
  planning: Planning,
  loaded: Loaded,
  alerts: readonly Standing[],
  why: 'ended' | 'was muted',
  now: Date,
): Promise<About[]> {
  const ids = alerts.map(({ alertId }) => alertId)
  await leaveDigests(tx, ids)
  const messages = await messagesAbout(tx, ids)
  const gone = new Set(ids)
  const waiting = messages.filter(({ state }) => state === 'queued')
  const emptied = waiting.filter(({ alertIds }) => alertIds.every(id => gone.has(id)))
  await cancel(tx, emptied, why, planning.newId, now)
  const left = waiting.filter(message => !emptied.includes(message))
  await shorten(tx, planning, loaded, left, gone, why, now)
  return messages
}

async function cancel(tx: Tx, messages: readonly About[], why: string, newId: () => string, now: Date): Promise<void> {
  if (messages.length === 0) return
  const ids = messages.map(({ id }) => id)
  const cancelled = await tx<{ id: string }[]>`
    update notification set state = 'cancelled', held = false, next_attempt_at = null, deliver_by = null, updated_at = ${now}
    where id = any (${ids}::uuid[]) and state = 'queued'
    returning id`
  await noteSteps(
    tx,
    cancelled.map(({ id }) => ({ id, state: 'cancelled', detail: `${why} before it was told` })),
    newId,
    now,
  )
}

/** Takes what is over out of messages that still wait, with other words. */
async function shorten(
  tx: Tx,
  planning: Planning,
  loaded: Loaded,
  messages: readonly About[],
  over: ReadonlySet<string>,
  why: string,
  now: Date,
): Promise<void> {
  if (messages.length === 0) return
  const left = messages.map(({ alertIds }) => alertIds.filter(id => !over.has(id)))
  const facts = new Map((await readStanding(tx, [...new Set(left.flat())])).map(alert => [alert.alertId, factsOf(alert)]))
  const people = await peopleOf(tx, planning, messages)
  const next: {
    id: string
    subject: string
    body: string
    html: string | null
    payload: string
    alertId: string | null
    severity: string
  }[] = []
  for (const [index, message] of messages.entries()) {
    const alerts = (left[index] ?? []).flatMap(id => facts.get(id) ?? [])
    const person = people(message)
    if (alerts.length === 0 || !person) continue
    const { subject, body, html } = await compose(
      planning,
      await loaded.templates(),
      message,
      person,
      message.channel,
      alerts,
      now,
    )
    const incident = incidentOf(message.channel, alerts)
    const payload = JSON.stringify(payloadOf(message, message.channel, alerts, incident ?? message.id))
    next.push({ id: message.id, subject, body, html, payload, alertId: incident, severity: worstOf(alerts) })
  }
  await tx`
    update notification n
    set subject = w.subject, body = w.body, html = w.html, payload = w.payload::jsonb, alert_id = w.alert_id, severity = w.severity,
        updated_at = ${now}
    from unnest(${next.map(n => n.id)}::uuid[], ${next.map(n => n.subject)}::text[], ${next.map(n => n.body)}::text[],
      ${next.map(n => n.html)}::text[], ${next.map(n => n.payload)}::text[], ${next.map(n => n.alertId)}::uuid[],
      ${next.map(n => n.severity)}::text[]) as w (id, subject, body, html, payload, alert_id, severity)
    where n.id = w.id and n.state = 'queued'`
  await tx`
    delete from notification_alert
    where notification_id = any (${next.map(({ id }) => id)}::uuid[]) and alert_id = any (${[...over]}::uuid[])`
  await noteSteps(
    tx,
    next.map(({ id }) => ({ id, state: 'queued', detail: `an alert ${why} before it was told` })),
    planning.newId,
    now,
  )
}
