import type { Place } from '../../shared/data/locking-order.ts'
import type { Database } from '../../shared/data/postgres.ts'
import { schedule } from '../../shared/function/declare.ts'
import { evaluateAgain } from './evaluation.ts'
import { judgeNextPlaces } from './threshold-rejudging.ts'

/** Breaches judged in one transaction. */
const together = 200

/** Milliseconds of a minute's round: what is left is the next one's. */
const round = 18_000

/** What no event brings: a breach that has lasted, and places whose inherited thresholds have changed. */
export const judgeDue = schedule({
  name: 'alerts-judge-due',
  summary: 'Raise alerts whose breach has lasted, and judge places whose thresholds have changed',
  cron: '* * * * *',
  uses: ['db:alerts'],
  scale: { max: 1 },
  async handle({ db, newId, now }) {
    const at = now()
    const isOver = () => now().getTime() - at.getTime() > round
    while (!isOver() && (await judgeLasting(db.alerts, newId, at))) {}
    while (!isOver() && (await judgeNextPlaces(db.alerts, newId, at))) {}
  },
})

/** @returns false when none is left. What was judged is an alert, or none any more, or due later. */
const judgeLasting = (database: Database, newId: () => string, now: Date): Promise<boolean> =>
  database.transaction(async tx => {
    const places = await tx<Place[]>`
      select sku, location from breach where due_at <= ${now} order by due_at limit ${together}`
    if (places.length === 0) return false
    await evaluateAgain(tx, places, newId, now)
    return true
  })
