import type { Database, Queryable, Tx } from '../../shared/data/postgres.ts'
import { publish } from '../../shared/events/outbox.ts'
import { type Alert, raisedEvent } from './alert.ts'
import { alertColumns, insertHistory, tellAgain } from './alert-rows.ts'
import { toldAgain } from './lifecycle.ts'
import { matches } from './matchers.ts'
import { activeMutes, isOutrankedInTable, isStillMuted, mutedBy } from './mute.ts'

/** Alerts reviewed in one transaction. */
const together = 500

interface Review {
  readonly newId: () => string
  readonly now: () => Date
  /** Milliseconds since the epoch: when the rest is left to the next round. */
  readonly until: number
}

/**
 * Brings what mutes the standing alerts in line with silences and inhibitions that began, ended or changed. What is no longer muted is
 * told again, unless somebody is at it or has put it off. Every batch is its own transaction, and finds only what is left to do.
 */
export async function reviewMutes(database: Database, review: Review): Promise<void> {
  const hasBegun = await somethingBegan(database, review.now())
  for (const find of [...(hasBegun ? [isNewlyMuted] : []), isNoLongerMuted, isNewlyOutranked]) {
    // From the last one on: each batch would else look again at what the ones before it have passed.
    for (let after: string | null | undefined = null; after !== undefined && Date.now() < review.until; ) {
      const from: string | null = after
      after = await database.transaction(tx => reviewBatch(tx, find, from, review))
    }
  }
  if (hasBegun) await noteApplied(database, review.now())
}

/** @returns the last alert of the batch, when there may be more behind it */
async function reviewBatch(
  tx: Tx,
  find: (sql: Queryable) => ReturnType<typeof matches>,
  after: string | null,
  review: Review,
): Promise<string | undefined> {
  const at = review.now()
  const found = await tx<Alert[]>`
    with active as materialized (${activeMutes(tx, at)}), begun as materialized (select * from active where not applied)
    select ${alertColumns(tx)} from alert a
    where a.state <> 'resolved' and (${after}::uuid is null or a.id > ${after}::uuid) and ${find(tx)}
    order by a.id limit ${together} for update of a skip locked`
  if (found.length > 0) await applyMutes(tx, found, at, review.newId)
  return found.length === together ? found.at(-1)?.id : undefined
}

async function somethingBegan({ sql }: Database, now: Date): Promise<boolean> {
  const begun = await sql`select from (${activeMutes(sql, now)}) as active where not applied limit 1`
  return begun.length > 0
}

/** By what has begun since the last review. Alerts that are raised meanwhile are muted as they are raised. */
const isNewlyMuted = (sql: Queryable) => sql`
  a.muted is null and exists (select from begun m where ${matches(sql)})`

const isNoLongerMuted = (sql: Queryable) => sql`a.muted is not null and not ${isStillMuted(sql)}`

const isNewlyOutranked = (sql: Queryable) => sql`a.muted is null and ${isOutrankedInTable(sql)}`

/** Only when nothing is left: another transaction may hold an alert that was skipped. */
async function noteApplied({ sql }: Database, now: Date): Promise<void> {
  const isLeft = (table: 'silence' | 'inhibition') => sql`
    exists (
      with active as materialized (${activeMutes(sql, now)})
      select from alert a join active m on ${matches(sql)}
      where a.state <> 'resolved' and a.muted is null
        and m.cause = ${table === 'silence' ? sql`'silence:' || own.id` : sql`'inhibited:count:' || own.count_id`})`
  await sql`
    update silence own set applied = true
    where not applied and starts_at <= ${now} and ends_at > ${now} and not ${isLeft('silence')}`
  await sql`
    update inhibition own set applied = true
    where not applied and starts_at <= ${now} and ends_at > ${now} and not ${isLeft('inhibition')}`
}

/**
 * Mutes the alerts, locked by the caller, by what applies to each now. Of what nobody is at, the beginning and the end of it are
 * tellings: the first, which says that it is muted, takes the alert out of messages that wait or are repeated, the second is told.
 */
export async function applyMutes(tx: Tx, alerts: readonly Alert[], at: Date, newId: () => string): Promise<void> {
  const causes = await mutedBy(tx, alerts, at)
  const changed = alerts
    .map((alert, index) => ({ ...alert, muted: causes[index] ?? null }))
    .filter((alert, index) => alert.muted !== alerts[index]?.muted)
  if (changed.length === 0) return
  const before = new Map(alerts.map(({ id, muted }) => [id, muted]))
  const isTurned = ({ id, muted }: Alert) => (muted === null) !== (before.get(id) === null)
  const told = changed.filter(alert => alert.state === 'open' && isTurned(alert)).map(toldAgain)
  await setMuted(tx, changed)
  if (told.length > 0) await tellAgain(tx, told)
  await insertHistory(
    tx,
    changed.map(({ id: alertId, severity, available, muted }) => ({
      ...{ id: newId(), alertId, action: muted === null ? ('unmuted' as const) : ('muted' as const), at, severity, available },
      ...(muted !== null && { detail: { muted } }),
    })),
  )
  await publish(tx, newId, told.map(raisedEvent))
}

/** What is muted is not escalated. */
const setMuted = (tx: Tx, alerts: readonly Alert[]) => tx`
  update alert set muted = changed.muted, escalate_at = 'infinity'
  from unnest(${alerts.map(alert => alert.id)}::uuid[], ${alerts.map(alert => alert.muted)}::text[]) as changed (id, muted)
  where alert.id = changed.id`
