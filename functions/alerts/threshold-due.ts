import type { Place } from '../../shared/data/locking-order.ts'
import type { Database } from '../../shared/data/postgres.ts'
import type { Deps } from '../../shared/function/resources.ts'
import { evaluateAgain } from './evaluation.ts'
import { judgeNextPlaces } from './threshold-rejudging.ts'

/** Breaches judged in one transaction. */
const together = 200

/** Milliseconds of a minute's round: what is left is the next one's. */
const round = 18_000

/** Judges what no event brings: a breach that has lasted, and places whose inherited thresholds have changed. */
export async function judgeDue({ db, newId, now }: Deps<readonly ['db:alerts']>): Promise<void> {
  const at = now()
  const isOver = () => now().getTime() - at.getTime() > round
  while (!isOver() && (await judgeLasting(db.alerts, newId, at))) {}
  while (!isOver() && (await judgeNextPlaces(db.alerts, newId, at))) {}
}

/** @returns false when none is left. What was judged is an alert, or none any more, or due later. */
const judgeLasting = (database: Database, newId: () => string, now: Date): Promise<boolean> =>
  database.transaction(async tx => {
    const places = await tx<Place[]>`
      select sku, location from breach where due_at <= ${now} order by due_at limit ${together}`
    if (places.length === 0) return false
    await evaluateAgain(tx, places, newId, now)
    return true
  })
