import { byPlace, type Place } from '../../shared/data/locking-order.ts'
import type { Queryable, Tx } from '../../shared/data/postgres.ts'
import { insertOutbox, outboxRow } from '../../shared/events/outbox.ts'
import { type Alert, judge, newAlert, raisedEvent, resolvedEvent, type Seen, severityOf, type Threshold } from './alert.ts'
import { insertAlerts, insertHistory, resolveRows, settleRows, tellAgain } from './alert-rows.ts'
import { fillMuted } from './mute.ts'

/** Stock to be judged, with the trace of what changed it. */
export interface Observation extends Seen {
  readonly traceparent: string
}

interface Judged extends Seen {
  level: number | null
  resolveAbove: number | null
  /** The alert that stands there. */
  standing: Pick<Alert, 'id' | 'state' | 'severity' | 'telling'> | null
  raisedAt: Date | null
}

export interface Evaluated {
  readonly raised: number
  readonly resolved: number
  readonly stale: number
}

/**
 * Judges the newest stock of some places, in the caller's transaction. What is not newer than the newest that was judged before is
 * dropped there: `stock_seen` makes the delivery idempotent, so these events need no inbox.
 */
export async function evaluate(tx: Tx, observations: readonly Observation[], newId: () => string, now: Date): Promise<Evaluated> {
  const newest = newestOf(observations)
  const fresh = await noteSeen(tx, newest, now)
  const traceOf = new Map(newest.map(({ sku, location, traceparent }) => [`${location} ${sku}`, traceparent]))
  const outcome = await applyVerdicts(tx, fresh, stock => traceOf.get(`${stock.location} ${stock.sku}`) ?? '', newId, now)
  return { ...outcome, stale: observations.length - fresh.length }
}

/**
 * Judges again the stock that was seen last, because its threshold has changed. No event is judged beside it: the rows are locked.
 * A place that was never seen is noted with version 0, or its first event could be judged beside it, each without the other's half.
 */
export async function evaluateAgain(tx: Tx, places: readonly Place[], newId: () => string, now: Date) {
  const skus = places.map(place => place.sku)
  const locations = places.map(place => place.location)
  await tx`
    insert into stock_seen as seen (sku, location, available, version, evaluated_at)
    select sku, location, 0, 0, ${now}::timestamptz from unnest(${skus}::text[], ${locations}::text[]) as place (sku, location)
    order by sku collate "C", location collate "C"
    on conflict (sku, location) do update set evaluated_at = excluded.evaluated_at`
  return applyVerdicts(tx, await readJudged(tx, skus, locations), () => undefined, newId, now)
}

/** In locking order, each place once. */
function newestOf(observations: readonly Observation[]): Observation[] {
  const newest = new Map<string, Observation>()
  for (const observation of observations) {
    const key = `${observation.sku} ${observation.location}`
    const other = newest.get(key)
    if (!other || other.version < observation.version) newest.set(key, observation)
  }
  return [...newest.values()].sort(byPlace)
}

/** @returns what was news, with what it has to be judged by */
async function noteSeen(tx: Tx, newest: readonly Observation[], now: Date): Promise<Judged[]> {
  const fresh = await tx<{ sku: string; location: string }[]>`
    insert into stock_seen as seen (sku, location, available, version, evaluated_at)
    select *, ${now}::timestamptz from unnest(
      ${newest.map(seen => seen.sku)}::text[], ${newest.map(seen => seen.location)}::text[],
      ${newest.map(seen => seen.available)}::bigint[], ${newest.map(seen => seen.version)}::bigint[])
    on conflict (sku, location) do update set available = excluded.available, version = excluded.version, evaluated_at = excluded.evaluated_at
      where seen.version < excluded.version
    returning sku, location`
  if (fresh.length === 0) return []
  return readJudged(
    tx,
    fresh.map(place => place.sku),
    fresh.map(place => place.location),
  )
}

const readJudged = (sql: Queryable, skus: readonly string[], locations: readonly string[]): PromiseLike<Judged[]> => sql<
  Judged[]
>`
  select place.sku, place.location, seen.available, seen.version, threshold.level, threshold.resolve_above as "resolveAbove",
         alert.standing, alert.raised_at as "raisedAt"
  from unnest(${skus}::text[], ${locations}::text[]) as place (sku, location)
  join stock_seen seen on (seen.sku, seen.location) = (place.sku, place.location) and seen.version > 0
  left join threshold on (threshold.sku, threshold.location) = (place.sku, place.location)
  left join lateral (
    select json_build_object('id', id, 'state', state, 'severity', severity, 'telling', telling) as standing, raised_at
    from alert where alert.sku = place.sku and alert.location = place.location and (state <> 'resolved' or not settled)
  ) alert on true`

async function applyVerdicts(
  tx: Tx,
  judged: readonly Judged[],
  traceOf: (stock: Seen) => string | undefined,
  newId: () => string,
  now: Date,
): Promise<{ raised: number; resolved: number }> {
  const raised: { stock: Judged; alert: Alert }[] = []
  const worsened: { stock: Judged; alert: Alert }[] = []
  const resolved: { stock: Judged; alert: Pick<Alert, 'id' | 'severity'> }[] = []
  const settled: string[] = []
  for (const stock of judged) {
    const { level, resolveAbove, standing } = stock
    const threshold: Threshold | undefined = level === null || resolveAbove === null ? undefined : { level, resolveAbove }
    const verdict = judge(stock, threshold, standing ?? undefined)
    if (verdict === 'raise' && threshold) raised.push({ stock, alert: newAlert(newId(), stock, threshold, now) })
    if (verdict === 'worsen' && threshold) worsened.push({ stock, alert: worse(stock, threshold) })
    if (verdict === 'resolve' && standing) resolved.push({ stock, alert: standing })
    // What a person resolved stands no more when the next one takes its place.
    if (standing && (verdict === 'settle' || verdict === 'raise')) settled.push(standing.id)
  }
  await fillMuted(tx, [...raised, ...worsened], now)
  const alerts = ({ alert }: { alert: Alert }) => alert
  if (settled.length > 0) await settleRows(tx, settled)
  if (raised.length > 0) await insertAlerts(tx, raised.map(alerts))
  if (worsened.length > 0) await tellAgain(tx, worsened.map(alerts))
  const ended = resolved.map(({ alert }) => alert.id)
  if (ended.length > 0) await resolveRows(tx, ended, now)
  await insertHistory(tx, [
    ...raised.map(({ alert }) => ({ ...alert, id: newId(), alertId: alert.id, action: 'raised' as const, at: now })),
    ...worsened.map(({ alert }) => ({ ...alert, id: newId(), alertId: alert.id, action: 'worsened' as const, at: now })),
    ...resolved.map(({ stock, alert }) => ({
      ...{ id: newId(), alertId: alert.id, action: 'resolved' as const, at: now },
      ...{ severity: alert.severity, available: stock.available },
    })),
  ])
  await insertOutbox(tx, [
    ...[...raised, ...worsened].map(({ stock, alert }) => outboxRow(raisedEvent(alert), newId(), traceOf(stock))),
    ...resolved.map(({ stock, alert }) => outboxRow(resolvedEvent(alert.id, stock, now), newId(), traceOf(stock))),
  ])
  return { raised: raised.length + worsened.length, resolved: resolved.length }
}

/** The standing alert with what is worse: nobody has acknowledged or put off that. */
function worse(stock: Judged, threshold: Threshold): Alert {
  const { id, telling } = stock.standing as NonNullable<Judged['standing']>
  const alert = newAlert(id, stock, threshold, stock.raisedAt as Date)
  return { ...alert, severity: severityOf(stock.available), telling: telling + 1 }
}
