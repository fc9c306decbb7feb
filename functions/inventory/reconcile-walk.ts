import type { Place } from '../../shared/data/locking-order.ts'
import type { Database, Sql, Tx } from '../../shared/data/postgres.ts'
import { examine } from './reconcile-batch.ts'
import { closeVanished, closeVanishedTransit, recordDrift } from './reconcile-drift.ts'
import { type Finding, judge } from './reconcile-judge.ts'
import { judgedPlaces, nextSize, nextStretch } from './reconcile-places.ts'
import { brokenPromises, nextSpan, noteSpan, uncountedMovements } from './reconcile-strays.ts'
import { examineTransfers } from './reconcile-transit.ts'

/** A single row may have millions of movements that nobody has proved yet. */
const statementMilliseconds = 45_000

export interface Walk {
  readonly database: Database
  readonly newId: () => string
  readonly now: () => Date
  readonly mode: 'incremental' | 'full'
  /** Milliseconds since 1970 after which no further batch is begun. */
  readonly until: number
}

export interface Walked {
  readonly rows: number
  readonly movements: number
  /** False when time was up before the last row. */
  readonly complete: boolean
}

/** Proves places in key order, stretch by stretch, from behind `after` to the end or until time is up. */
export async function walk(options: Walk, after?: Place, passed?: (last: Place) => Promise<void>): Promise<Walked> {
  if (!(await findStrays(options))) return { rows: 0, movements: 0, complete: false }
  const walked = await walkRows(options, after, passed)
  return { ...walked, complete: walked.complete && (await walkTransfers(options)) }
}

async function walkRows(options: Walk, after?: Place, passed?: (last: Place) => Promise<void>): Promise<Walked> {
  let rows = 0
  let movements = 0
  let size = nextSize(options.mode)
  for (let behind = after; ; ) {
    if (Date.now() >= options.until) return { rows, movements, complete: false }
    const stretch = await proveStretch(options, behind, size)
    size = nextSize(options.mode, { size, places: stretch.places })
    rows += stretch.rows
    movements += stretch.movements
    if (!stretch.last) return { rows, movements, complete: true }
    behind = stretch.last
    await passed?.(behind)
  }
}

const proveStretch = (options: Walk, after: Place | undefined, size: number) =>
  inOneGo(options, async tx => {
    const { places, last, rows } = await nextStretch(tx, after, options.mode, size)
    const { found, movements } = await judgePlaces(options, tx, places)
    await closeVanished(tx, { after, last }, found, options.now())
    return { rows, movements, last, places: places.length }
  })

async function judgePlaces({ mode, newId, now }: Walk, tx: Tx, places: readonly Place[]) {
  if (places.length === 0) return { found: [], movements: 0 }
  const { wrong, movements } = await examine(tx, places, mode)
  const found = wrong.flatMap(judge)
  await recordDrift(tx, found, newId, now())
  return { found, movements }
}

const inOneGo = <T>({ database }: Walk, work: (tx: Tx) => Promise<T>): Promise<T> =>
  database.transaction(async tx => {
    await tx`set local statement_timeout = ${tx.unsafe(String(statementMilliseconds))}`
    return work(tx)
  })

/**
 * What a row that is as it was proved does not show: reservations that were changed by hand, and movements that no row counts. What is
 * found drifts, so the walk looks at it again.
 * @returns false when time was up
 */
async function findStrays(options: Walk): Promise<boolean> {
  if (!(await judgeFound(options, brokenPromises))) return false
  if (options.mode === 'full') return true
  for (;;) {
    const span = await inOneGo(options, nextSpan)
    if (!(await judgeFound(options, (tx, after) => uncountedMovements(tx, span, after)))) return false
    await inOneGo(options, tx => noteSpan(tx, span.to))
    if (!span.to) return true
  }
}

async function judgeFound(
  options: Walk,
  find: (tx: Tx, after: Place | undefined) => PromiseLike<readonly Place[]>,
): Promise<boolean> {
  for (let after: Place | undefined; Date.now() < options.until; ) {
    const places = await inOneGo(options, async tx => {
      const strays = await find(tx, after)
      await judgePlaces(options, tx, strays)
      return strays
    })
    if (places.length < judgedPlaces) return true
    after = places.at(-1)
  }
  return false
}

/** @returns false when time was up before the last transfer */
async function walkTransfers({ database, newId, now, mode, until }: Walk): Promise<boolean> {
  const found: Finding[] = []
  for (let after: string | undefined; ; ) {
    if (Date.now() >= until) return false
    const batch = await database.transaction(async tx => {
      const examined = await examineTransfers(tx, after, mode)
      await recordDrift(tx, examined.found, newId, now())
      return examined
    })
    found.push(...batch.found)
    if (batch.last === undefined) break
    after = batch.last
  }
  if (mode === 'full') await database.transaction(tx => closeVanishedTransit(tx, found, now()))
  return true
}

/** Hours after which all that is proved is proved once more from its beginning. */
const fullEveryHours = 24

/** Goes on where the last round of this kind stopped; a full walk begins once a day. */
export async function continueWalk(options: Walk): Promise<Walked> {
  const { sql } = options.database
  const [place] = await sql<{ sku: string | null; location: string | null; isDone: boolean; isRecent: boolean }[]>`
    select after_sku as sku, after_location as location, finished_at is not null as "isDone",
      coalesce(started_at > now() - make_interval(hours => ${fullEveryHours}), false) as "isRecent"
    from proof_walk where mode = ${options.mode}`
  if (options.mode === 'full' && place?.isDone && place.isRecent) return { rows: 0, movements: 0, complete: true }
  const isNew = !place || place.isDone
  if (isNew) await beginWalk(sql, options.mode)
  const after = !isNew && place.sku !== null && place.location !== null ? { sku: place.sku, location: place.location } : undefined
  const walked = await walk(options, after, last => noteWalk(sql, options.mode, last))
  if (walked.complete) await sql`update proof_walk set finished_at = now() where mode = ${options.mode}`
  return walked
}

const beginWalk = (sql: Sql, mode: string) => sql`
  insert into proof_walk (mode, started_at) values (${mode}, now())
  on conflict (mode) do update set after_sku = null, after_location = null, started_at = now(), finished_at = null`

async function noteWalk(sql: Sql, mode: string, last: Place): Promise<void> {
  await sql`update proof_walk set after_sku = ${last.sku}, after_location = ${last.location} where mode = ${mode}`
}
