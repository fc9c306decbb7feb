import type { Tx } from '../../shared/data/postgres.ts'
import { type AlertFacts, type Channel, isProgram, type Severity, worstOf } from './alert-facts.ts'
import type { Person } from './audience.ts'
import { compose, incidentOf, payloadOf } from './compose.ts'
import { leaveDigests } from './digest-rows.ts'
import { type MessageKind, type NewMessage, noteSteps, type Priority, queueMessages } from './message-rows.ts'
import { loadPeopleById } from './people-rows.ts'
import { type Loaded, type Planning, standardPerson } from './planning.ts'
import { factsOf, isAcknowledged, type Standing } from './standing.ts'
import { readStanding } from './standing-rows.ts'

interface About {
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
async function messagesAbout(tx: Tx, alertIds: readonly string[]): Promise<About[]> {
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

/** Alerts that ended: nobody is told any more who was not yet, and who was is told of the end, if the route says so. */
export async function recover(
  tx: Tx,
  planning: Planning,
  loaded: Loaded,
  ended: readonly Standing[],
  now: Date,
  traceparent: string,
) {
  const ids = ended.map(({ alertId }) => alertId)
  await leaveDigests(tx, ids)
  const messages = await messagesAbout(tx, ids)
  const over = new Set(ids)
  const waiting = messages.filter(({ state }) => state === 'queued')
  const emptied = waiting.filter(({ alertIds }) => alertIds.every(id => over.has(id)))
  await cancel(tx, emptied, planning.newId, now)
  await shorten(
    tx,
    planning,
    loaded,
    waiting.filter(message => !emptied.includes(message)),
    over,
    now,
  )
  // One that was tried may have arrived though its answer did not.
  const told = messages.filter(({ state, attempts }) => ['sending', 'sent', 'delivered'].includes(state) || attempts > 0)
  const by = ended.find(({ resolvedBy }) => resolvedBy !== null)?.resolvedBy ?? null
  await follow(tx, planning, loaded, 'resolved', told, ended, by, alert => alert.resolvedAt !== null, now, traceparent)
}

/** Alerts at which somebody is: programs that were told of them are told that. */
export async function tellAcknowledged(
  tx: Tx,
  planning: Planning,
  loaded: Loaded,
  acknowledged: readonly (Standing & { readonly by: string })[],
  now: Date,
  traceparent: string,
) {
  const messages = await messagesAbout(
    tx,
    acknowledged.map(({ alertId }) => alertId),
  )
  const told = messages.filter(({ state, channel }) => isProgram(channel) && !['failed', 'bounced', 'cancelled'].includes(state))
  const isSettled = (alert: Standing) => alert.resolvedAt !== null || isAcknowledged(alert)
  await follow(tx, planning, loaded, 'acknowledged', told, acknowledged, acknowledged[0]?.by ?? null, isSettled, now, traceparent)
}

async function cancel(tx: Tx, messages: readonly About[], newId: () => string, now: Date): Promise<void> {
  if (messages.length === 0) return
  const ids = messages.map(({ id }) => id)
  await tx`
    update notification set state = 'cancelled', held = false, next_attempt_at = null, deliver_by = null, updated_at = ${now}
    where id = any (${ids}::uuid[]) and state = 'queued'`
  await noteSteps(
    tx,
    ids.map(id => ({ id, state: 'cancelled', detail: 'ended before it was told' })),
    newId,
    now,
  )
}

/** Takes what ended out of messages that still wait, with other words. */
async function shorten(
  tx: Tx,
  planning: Planning,
  loaded: Loaded,
  messages: readonly About[],
  over: ReadonlySet<string>,
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
    next.map(({ id }) => ({ id, state: 'queued', detail: 'an alert ended before it was told' })),
    planning.newId,
    now,
  )
}

/** Tells those who were told that an alert stands what has become of it. An incident follows when all of its alerts have. */
async function follow(
  tx: Tx,
  planning: Planning,
  loaded: Loaded,
  kind: 'resolved' | 'acknowledged',
  told: readonly About[],
  changed: readonly Standing[],
  by: string | null,
  isSettled: (alert: Standing) => boolean,
  now: Date,
  traceparent: string,
): Promise<void> {
  const meant = told
    .filter(({ tellsRecovery, kind: said }) => tellsRecovery || said === 'escalation')
    .filter(({ channel, tellsRecovery }) => tellsRecovery || isProgram(channel))
  if (meant.length === 0) return
  const all = new Map(
    (await readStanding(tx, [...new Set(meant.flatMap(({ alertIds }) => alertIds))])).map(alert => [alert.alertId, alert]),
  )
  const news = new Set(changed.map(({ alertId }) => alertId))
  const people = await peopleOf(tx, planning, meant)
  const messages: NewMessage[] = []
  for (const [, [first, ...others]] of Map.groupBy(
    meant,
    m => `${m.contactId ?? m.address} ${m.channel === 'pagerduty' ? m.alertId : ''}`,
  )) {
    if (!first) continue
    const person = people(first)
    const about = [...new Set([first, ...others].flatMap(({ alertIds }) => alertIds))]
    const known = about.flatMap(id => all.get(id) ?? [])
    if (!person || (first.channel === 'pagerduty' && !known.every(isSettled))) continue
    const alerts: AlertFacts[] = known.filter(({ alertId }) => news.has(alertId)).map(factsOf)
    if (alerts.length === 0) continue
    const id = planning.newId()
    const words = await compose(planning, await loaded.templates(), { kind, by }, person, first.channel, alerts, now)
    const incident = first.channel === 'pagerduty' ? first.alertId : incidentOf(first.channel, alerts)
    planning.planned(kind, first.channel, 'now')
    messages.push({
      ...{
        id,
        kind,
        channel: first.channel,
        priority: first.priority,
        severity: worstOf(alerts),
        alerts,
        alertId: incident,
        ...words,
      },
      dedupKey: `${kind}:${id}`,
      ...{ recipientId: first.recipientId, contactId: first.contactId, address: first.address },
      payload: payloadOf({ kind, by }, first.channel, alerts, incident ?? id),
      ...{ heldUntil: null, deliverBy: null, fallbackChannels: [], tellsRecovery: false, traceparent },
    })
  }
  await queueMessages(tx, messages, planning.newId, now)
}

async function peopleOf(tx: Tx, planning: Planning, messages: readonly About[]): Promise<(message: About) => Person | undefined> {
  const ids = [...new Set(messages.flatMap(({ recipientId }) => recipientId ?? []))]
  const people = await loadPeopleById(tx, ids)
  const standard = await standardPerson(planning.seal, planning.settings())
  return ({ recipientId }) => (recipientId === null ? standard : people.get(recipientId))
}
