import type { Tx } from '../../shared/data/postgres.ts'
import { type AlertFacts, isProgram, worstOf } from './alert-facts.ts'
import { compose, incidentOf, payloadOf } from './compose.ts'
import { type NewMessage, queueMessages } from './message-rows.ts'
import { type About, messagesAbout, peopleOf } from './messages-about.ts'
import type { Loaded, Planning } from './planning.ts'
import { factsOf, isAcknowledged, type Standing } from './standing.ts'
import { readStanding } from './standing-rows.ts'

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

/** Tells those who were told that an alert stands what has become of it. An incident follows when all of its alerts have. */
export async function follow(
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
