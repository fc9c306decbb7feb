import { event } from '../../shared/function/declare.ts'
import { noteCountClosed, noteCountOpened } from './inhibition.ts'
import { reviewMutes } from './mute-review.ts'

/** Milliseconds within which what stands is brought in line; `alerts-due` does the rest. */
const patience = 10_000

/** While people count the shelves, nobody is told that they are low: the figures are about to be corrected. */
export const followCounts = event({
  name: 'alerts-follow-counts',
  summary: 'Mute the alerts of shelves that are being counted, and tell what still stands afterwards',
  // Their own topic: on that of the stock this function would be woken by every sale.
  topic: 'counts',
  types: ['tidemark.count.opened.v1', 'tidemark.count.closed.v1'],
  uses: ['db:alerts'],
  scale: { max: 2 },
  async handle({ db, newId, now }, { data }) {
    // What still stands is told by the next round of `alerts-due`: the corrections of the count may not have been judged yet.
    if ('closedAt' in data) return void (await noteCountClosed(db.alerts.sql, data))
    await noteCountOpened(db.alerts.sql, data)
    await reviewMutes(db.alerts, { newId, now, until: Date.now() + patience })
  },
})
