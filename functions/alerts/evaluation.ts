import { byPlace, type Place } from '../../shared/data/locking-order.ts'
import type { Tx } from '../../shared/data/postgres.ts'
import { together } from '../../shared/data/together.ts'
import { insertOutbox, outboxRow } from '../../shared/events/outbox.ts'
import { type Alert, newAlert, raisedEvent, resolvedEvent, type Seen } from './alert.ts'
import { insertAlerts, insertHistory, resolveRows, settleRows, tellAgain } from './alert-rows.ts'
import { fillMuted } from './mute.ts'
import { applyBreaches } from './threshold-breaches.ts'
import { type Context, placeKey, readContexts, type StandingAlert } from './threshold-context.ts'
import { type JudgedRule, judgePlace } from './threshold-judged.ts'
import { addSales, type Day, dayOf } from './velocity.ts'
import { count } from './velocity-counted.ts'
import { lockPlaces, noteEvaluated, type SeenRow, updateSeen, upsertSales } from './velocity-rows.ts'

/** Stock to be judged, with the trace of what changed it. */
export interface Observation extends Seen {
  readonly capacity: number | null
  /** What was sold from the version `since` on; null where the event does not say. */
  readonly sold: { readonly since: number; readonly units: number } | null
  /** When it was so. */
  readonly at: Date
  readonly traceparent: string
}

export interface Evaluated {
  readonly raised: number
  readonly resolved: number
  readonly stale: number
  /** Places whose newest stock changed nothing. */
  readonly unchanged: number
}

/**
 * Judges the newest stock of some places, and counts what was sold there, in the caller's transaction. What is not newer than the newest
 * that was judged before is not judged: `stock_seen` makes the delivery idempotent, so these events need no inbox. What it sold counts
 * all the same, once. Two round trips, however many events there are.
 */
export async function evaluate(tx: Tx, observations: readonly Observation[], newId: () => string, now: Date): Promise<Evaluated> {
  const at = Map.groupBy(observations, placeKey)
  const places = [...at.values()].map(([first]) => first as Observation).sort(byPlace)
  const [, , contexts] = await together([...lockPlaces(tx, places), readContexts(tx, places)])
  const seen: SeenRow[] = []
  const sales: (Place & { sales: NonNullable<Context['sales']> })[] = []
  const fresh: { context: Context; traceparent: string }[] = []
  for (const place of places) {
    const given = contexts.get(placeKey(place)) as Context
    const { context, newest } = observed(given, at.get(placeKey(place)) ?? [])
    if (newest || context.counted !== given.counted) seen.push(context)
    if (context.sales && context.sales !== given.sales) sales.push({ ...place, sales: context.sales })
    if (newest) fresh.push({ context, traceparent: newest.traceparent })
  }
  const today = dayOf(now)
  const traceOf = new Map(fresh.map(({ context, traceparent }) => [placeKey(context), traceparent]))
  const judged = fresh.flatMap(({ context }) => judgePlace(context, today, now))
  const [outcome] = await together([
    applyVerdicts(tx, judged, stock => traceOf.get(placeKey(stock)) ?? '', newId, now),
    ...(seen.length > 0 ? [updateSeen(tx, seen, now)] : []),
    ...(sales.length > 0 ? [upsertSales(tx, sales)] : []),
  ])
  const said = new Set(judged.filter(({ verdict }) => verdict !== 'nothing').map(({ stock }) => placeKey(stock)))
  return { ...outcome, stale: observations.length - fresh.length, unchanged: fresh.length - said.size }
}

/** A place after what was observed there: its newest stock, if that is news, and all that was sold and not counted yet. */
function observed(context: Context, observations: readonly Observation[]): { context: Context; newest: Observation | undefined } {
  let { counted, sales } = context
  let newest: Observation | undefined
  for (const observation of observations) {
    if (observation.version > (newest?.version ?? context.version)) newest = observation
    const { sold, version, at } = observation
    const next = sold && count(counted, sold.since, version)
    if (!sold || !next) continue
    counted = next
    sales = addSales(sales, dayOf(at), sold.units)
  }
  const stock = newest && { available: newest.available, version: newest.version, capacity: newest.capacity }
  return { context: { ...context, ...stock, counted, sales }, newest }
}

/**
 * Judges again the stock that was seen last, because its threshold has changed or a breach has lasted. No event is judged beside it: the
 * rows are locked. A place that was never seen is noted with version 0, or its first event could be judged beside it, each without the
 * other's half.
 */
export async function evaluateAgain(tx: Tx, places: readonly Place[], newId: () => string, now: Date) {
  const ordered = [...new Map(places.map(place => [placeKey(place), place])).values()].sort(byPlace)
  if (ordered.length === 0) return { raised: 0, resolved: 0 }
  const [, locked] = await together(lockPlaces(tx, ordered))
  // Of a million places that a file sets, few may have been seen.
  const seen = locked.filter(({ version }) => version > 0)
  if (seen.length === 0) return { raised: 0, resolved: 0 }
  const today: Day = dayOf(now)
  const judged = [...(await readContexts(tx, seen)).values()].flatMap(one => judgePlace(one, today, now))
  const [outcome] = await together([applyVerdicts(tx, judged, () => undefined, newId, now), noteEvaluated(tx, seen, now)])
  return outcome
}

async function applyVerdicts(
  tx: Tx,
  judged: readonly JudgedRule[],
  traceOf: (stock: Seen) => string | undefined,
  newId: () => string,
  now: Date,
): Promise<{ raised: number; resolved: number }> {
  const raised: { stock: Seen; alert: Alert }[] = []
  const worsened: { stock: Seen; alert: Alert }[] = []
  const resolved: { stock: Seen; alert: StandingAlert; rule: string }[] = []
  const settled: string[] = []
  for (const one of judged) {
    const { stock, rule, threshold, standing, verdict, category, suggestedOrder } = one
    const what = { rule, category, suggestedOrder }
    if (verdict === 'raise' && threshold) raised.push({ stock, alert: newAlert(newId(), stock, threshold, now, what) })
    if (verdict === 'worsen' && threshold && standing) {
      // The standing alert with what is worse: nobody has acknowledged or put off that.
      const alert = newAlert(standing.id, stock, threshold, standing.raisedAt, what)
      worsened.push({ stock, alert: { ...alert, telling: standing.telling + 1 } })
    }
    if (verdict === 'resolve' && standing) resolved.push({ stock, alert: standing, rule })
    // What a person resolved stands no more when the next one takes its place.
    if (standing && (verdict === 'settle' || verdict === 'raise')) settled.push(standing.id)
  }
  await fillMuted(tx, [...raised, ...worsened], now)
  const alerts = ({ alert }: { alert: Alert }) => alert
  const ended = resolved.map(({ alert }) => alert.id)
  await together([
    ...(settled.length > 0 ? [settleRows(tx, settled)] : []),
    ...(raised.length > 0 ? [insertAlerts(tx, raised.map(alerts))] : []),
    ...(worsened.length > 0 ? [tellAgain(tx, worsened.map(alerts))] : []),
    ...(ended.length > 0 ? [resolveRows(tx, ended, now)] : []),
    ...applyBreaches(tx, judged),
    insertHistory(tx, [
      ...raised.map(({ alert }) => ({ ...alert, id: newId(), alertId: alert.id, action: 'raised' as const, at: now })),
      ...worsened.map(({ alert }) => ({ ...alert, id: newId(), alertId: alert.id, action: 'worsened' as const, at: now })),
      ...resolved.map(({ stock, alert }) => ({
        ...{ id: newId(), alertId: alert.id, action: 'resolved' as const, at: now },
        ...{ severity: alert.severity, available: stock.available },
      })),
    ]),
    insertOutbox(tx, [
      ...[...raised, ...worsened].map(({ stock, alert }) => outboxRow(raisedEvent(alert), newId(), traceOf(stock))),
      ...resolved.map(({ stock, alert }) => outboxRow(resolvedEvent(alert.id, stock, now), newId(), traceOf(stock))),
    ]),
  ])
  return { raised: raised.length + worsened.length, resolved: resolved.length }
}
