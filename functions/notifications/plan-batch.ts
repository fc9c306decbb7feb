import type { Tx } from '../../shared/data/postgres.ts'
import { escalate } from './escalate.ts'
import { flushGroups } from './flush-groups.ts'
import { tellAcknowledged } from './follow.ts'
import { type Group, joinGroups, leaveGroups, lockGroups, openedBy, saveGroups } from './group-rows.ts'
import { groupKeyOf, joined, laneOf, paceOf } from './grouping.ts'
import { Loaded, type Planning, standardRoute } from './planning.ts'
import { recover, withdraw } from './recover.ts'
import { loadRoutes } from './route-rows.ts'
import { routesOf } from './routing.ts'
import { type AlertEvent, heard, isAcknowledged, isStanding, type News, type Standing, unheard } from './standing.ts'
import { loadStanding, saveStanding } from './standing-rows.ts'

/** An event of an alert, with the trace of what caused it. */
export interface Heard {
  readonly event: AlertEvent
  readonly traceparent: string
}

/** A group that this event's handler is to flush. */
export interface Wait {
  readonly groupId: string
  readonly until: Date
}

/** Seconds that a handler waits for others to join a group; longer waits are left to the schedule. */
export const handlerWait = 5

/**
 * Plans what some events of alerts lead to, in the caller's transaction. What an alert's row knows already is dropped there: tellings
 * and the end make the delivery idempotent, in whatever order they come, so these events need no inbox.
 * @returns for each event the group that its handler is to flush, also when the event comes again after a crash
 */
export async function planBatch(tx: Tx, planning: Planning, batch: readonly Heard[], now: Date): Promise<(Wait | undefined)[]> {
  const { alerts, news, changed } = await hear(tx, batch)
  await saveStanding(tx, changed)
  const loaded = new Loaded(tx)
  const is = (wanted: News, alert: Standing) => news.get(alert.alertId)?.has(wanted) === true
  const resolved = alerts.filter(alert => is('resolved', alert))
  const toTell = alerts.filter(alert => is('told', alert) && isStanding(alert))
  const muted = alerts.filter(alert => is('quiet', alert) && alert.muted !== null)
  await regroup(tx, planning, loaded, { toTell, gone: [...resolved, ...muted] }, batch, now)
  const trace = batch[0]?.traceparent ?? ''
  if (muted.length > 0) await withdraw(tx, planning, loaded, muted, 'was muted', now)
  if (resolved.length > 0) await recover(tx, planning, loaded, resolved, now, trace)
  const acknowledged = batch.flatMap(({ event }) => {
    if (event.type !== 'tidemark.alert.acknowledged.v1') return []
    const alert = alerts.find(({ alertId }) => alertId === event.data.alertId)
    const isNews = alert && is('acknowledged', alert) && alert.resolvedAt === null && isAcknowledged(alert)
    return isNews ? [{ ...alert, by: event.data.acknowledgedBy }] : []
  })
  if (acknowledged.length > 0) await tellAcknowledged(tx, planning, loaded, acknowledged, now, trace)
  const known = new Map(alerts.map(alert => [alert.alertId, alert]))
  const escalated = batch.flatMap(({ event }) => {
    const alert = known.get(event.data.alertId)
    return event.type === 'tidemark.alert.escalated.v1' && alert ? [{ data: event.data, alert }] : []
  })
  if (escalated.length > 0) await escalate(tx, planning, loaded, escalated, now, trace)
  const waits = new Map(
    (
      await openedBy(
        tx,
        batch.map(({ event }) => event.id),
      )
    ).map(({ id, opener, flushAt }) => [opener, { groupId: id, until: flushAt }]),
  )
  return batch.map(({ event }) => waits.get(event.id))
}

/** What is known of the alerts after the batch, and what was news of it. */
async function hear(tx: Tx, batch: readonly Heard[]) {
  const unknown = new Map(batch.map(({ event }) => [event.data.alertId, unheard(event)]))
  const before = await loadStanding(tx, [...unknown.values()])
  const after = new Map(before)
  const news = new Map<string, Set<News>>()
  for (const { event } of batch) {
    const { alertId } = event.data
    const { next, news: found } = heard(after.get(alertId) as Standing, event)
    after.set(alertId, next)
    news.set(alertId, (news.get(alertId) ?? new Set<News>()).add(found))
  }
  const alerts = [...after.values()]
  return { alerts, news, changed: alerts.filter(alert => alert !== before.get(alert.alertId)) }
}

/** Puts what is to be told into its groups, takes what is over out of them, and tells what waits for nothing. */
async function regroup(
  tx: Tx,
  planning: Planning,
  loaded: Loaded,
  { toTell, gone }: { readonly toTell: readonly Standing[]; readonly gone: readonly Standing[] },
  batch: readonly Heard[],
  now: Date,
): Promise<void> {
  const moved = [...toTell, ...gone].map(({ alertId }) => alertId)
  if (moved.length === 0) return
  const routes = toTell.length > 0 ? await loadRoutes(tx) : []
  const standard = standardRoute(planning.settings())
  const placed = toTell.flatMap(alert =>
    routesOf(routes, standard, alert).map(route => ({ alert, route, key: groupKeyOf(route, alert), lane: laneOf(alert) })),
  )
  const wanted = [...new Map(placed.map(({ key, route, lane }) => [key, { key, routeId: route.id, lane }])).values()]
  const groups = await lockGroups(tx, wanted, moved, planning.newId)
  await leaveGroups(tx, moved)
  if (placed.length === 0) return
  const opening = new Map(batch.map(({ event, traceparent }) => [event.data.alertId, { id: event.id, traceparent }]))
  const traces = new Map<string, string>()
  const pending = new Map<string, Group>()
  for (const { alert, route, key, lane } of placed) {
    const group = pending.get(key) ?? (groups.get(key) as Group)
    const { id: eventId, traceparent } = opening.get(alert.alertId) as { id: string; traceparent: string }
    const next = joined(group, paceOf(route, lane), now, eventId, handlerWait)
    pending.set(key, { ...group, ...next })
    if (!traces.has(group.id)) traces.set(group.id, traceparent)
  }
  await joinGroups(
    tx,
    placed.map(({ alert, key }) => ({ groupId: (groups.get(key) as Group).id, alertId: alert.alertId, telling: alert.telling })),
  )
  await saveGroups(tx, [...pending.values()])
  await flushGroups(tx, planning, loaded, [...pending.values()], now, ({ id }) => traces.get(id) ?? '')
}
