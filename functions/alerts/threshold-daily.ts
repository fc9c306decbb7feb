import { schedule } from '../../shared/function/declare.ts'
import { rejudge } from './threshold-rejudging.ts'

/**
 * Days of cover and forecasts change with each day that ends, though nothing was sold on it and no event comes: what they say is judged
 * again then. `alerts-due` walks the places; one walk too many changes nothing.
 */
export const judgeDaily = schedule({
  name: 'alerts-judge-daily',
  summary: 'Have all places judged by the sales of the day that has ended',
  cron: '3 0 * * *',
  uses: ['db:alerts'],
  scale: { max: 1 },
  async handle({ db, newId, now }) {
    await db.alerts.transaction(async tx => {
      const [daily] = await tx`select from threshold where rule in ('days_of_cover', 'forecast') and state = 'on' limit 1`
      const nothing = { skus: [], categories: [], locations: [] }
      if (daily) await rejudge(tx, { ...nothing, everything: true }, newId, now())
    })
  },
})
