import { byPlace, type Place } from '../../shared/data/locking-order.ts'
import type { Queryable, Tx } from '../../shared/data/postgres.ts'
import { insertOutbox, outboxRow } from '../../shared/events/outbox.ts'
import { type Alert, judge, newAlert, raisedEvent, resolvedEvent, type Seen, type Threshold } from './alert.ts'

/** Stock to be judged, with the trace of what changed it. */
export interface Observation extends Seen {
  readonly traceparent: string
}

interface Judged extends Seen {
  level: number | null
  resolveAbove: number | null
  openAlert: string | null
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
  const fresh = await noteSeen(tx, newest)
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
    insert into stock_seen as seen (sku, location, available, version)
    select sku, location, 0, 0 from unnest(${skus}::text[], ${locations}::text[]) as place (sku, location)
    order by sku collate "C", location collate "C"
    on conflict (sku, location) do update set version = seen.version`
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
async function noteSeen(tx: Tx, newest: readonly Observation[]): Promise<Judged[]> {
  const fresh = await tx<{ sku: string; location: string }[]>`
    insert into stock_seen as seen (sku, location, available, version)
    select * from unnest(
      ${newest.map(seen => seen.sku)}::text[], ${newest.map(seen => seen.location)}::text[],
      ${newest.map(seen => seen.available)}::bigint[], ${newest.map(seen => seen.version)}::bigint[])
    on conflict (sku, location) do update set available = excluded.available, version = excluded.version
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
  select place.sku, place.location, seen.available, seen.version, threshold.level, threshold.resolve_above as "resolveAbove", alert.id as "openAlert"
  from unnest(${skus}::text[], ${locations}::text[]) as place (sku, location)
  join stock_seen seen on (seen.sku, seen.location) = (place.sku, place.location) and seen.version > 0
  left join threshold on (threshold.sku, threshold.location) = (place.sku, place.location)
  left join lateral (
    select id from alert where alert.sku = place.sku and alert.location = place.location and state = 'open'
  ) alert on true`

async function applyVerdicts(
  tx: Tx,
  judged: readonly Judged[],
  traceOf: (stock: Seen) => string | undefined,
  newId: () => string,
  now: Date,
): Promise<{ raised: number; resolved: number }> {
  const raised: { stock: Judged; alert: Alert }[] = []
  const resolved: { stock: Judged; id: string }[] = []
  for (const stock of judged) {
    const threshold: Threshold | undefined =
      stock.level === null || stock.resolveAbove === null ? undefined : { level: stock.level, resolveAbove: stock.resolveAbove }
    const verdict = judge(stock, threshold, stock.openAlert === null ? undefined : { id: stock.openAlert })
    if (verdict === 'raise' && threshold) raised.push({ stock, alert: newAlert(newId(), stock, threshold, now) })
    if (verdict === 'resolve' && stock.openAlert) resolved.push({ stock, id: stock.openAlert })
  }
  if (raised.length > 0)
    await insertAlerts(
      tx,
      raised.map(({ alert }) => alert),
    )
  if (resolved.length > 0)
    await tx`update alert set state = 'resolved', resolved_at = ${now} where id = any (${resolved.map(({ id }) => id)}::uuid[])`
  await insertOutbox(tx, [
    ...raised.map(({ stock, alert }) => outboxRow(raisedEvent(alert), newId(), traceOf(stock))),
    ...resolved.map(({ stock, id }) => outboxRow(resolvedEvent(id, stock, now), newId(), traceOf(stock))),
  ])
  return { raised: raised.length, resolved: resolved.length }
}

const insertAlerts = (tx: Tx, alerts: readonly Alert[]) => tx`
  insert into alert (id, sku, location, state, severity, threshold, available, stock_version, raised_at)
  select id, sku, location, 'open', severity, threshold, available, stock_version, ${(alerts[0] as Alert).raisedAt}::timestamptz
  from unnest(
    ${alerts.map(alert => alert.id)}::uuid[], ${alerts.map(alert => alert.sku)}::text[], ${alerts.map(alert => alert.location)}::text[],
    ${alerts.map(alert => alert.severity)}::text[], ${alerts.map(alert => alert.threshold)}::bigint[],
    ${alerts.map(alert => alert.available)}::bigint[], ${alerts.map(alert => alert.stockVersion)}::bigint[]
  ) as alert (id, sku, location, severity, threshold, available, stock_version)`
