import { publish } from '../../shared/events/outbox.ts'
import { schedule } from '../../shared/function/declare.ts'
import { type Alert, raisedEvent } from './alert.ts'
import { alertColumns, insertHistory, tellAgain } from './alert-rows.ts'
import { woken } from './lifecycle.ts'

/** Alerts woken in one transaction. */
const together = 200

/** Tells alerts again whose snooze is over. */
export const wakeAlerts = schedule({
  name: 'alerts-wake',
  summary: 'Tell alerts again whose snooze is over',
  cron: '* * * * *',
  uses: ['db:alerts'],
  scale: { max: 1 },
  async handle({ db, newId, now }) {
    const at = now()
    for (let count = together; count === together; ) {
      count = await db.alerts.transaction(async tx => {
        const due = await tx<Alert[]>`
          select ${alertColumns(tx)} from alert where state = 'snoozed' and snoozed_until <= ${at}
          order by snoozed_until limit ${together} for update skip locked`
        if (due.length === 0) return 0
        const alerts = due.map(woken)
        await tellAgain(tx, alerts)
        await insertHistory(
          tx,
          alerts.map(({ id: alertId, severity, available }) => ({
            ...{ id: newId(), alertId, action: 'woken' as const, at, severity, available },
          })),
        )
        await publish(tx, newId, alerts.map(raisedEvent))
        return due.length
      })
    }
  },
})
