import { publish } from '../../shared/events/outbox.ts'
import type { Deps } from '../../shared/function/resources.ts'
import { type Alert, raisedEvent } from './alert.ts'
import { alertColumns, insertHistory, tellAgain } from './alert-rows.ts'
import { toldAgain } from './lifecycle.ts'
import { fillMuted } from './mute.ts'
import { reviewMutes } from './mute-review.ts'

/** Alerts woken in one transaction. */
const together = 200

/** Milliseconds of one round, in which escalation comes afterwards: what is left over is the next one's. */
const roundMilliseconds = 10_000

/** Tells alerts again whose snooze is over, or what muted them. */
export async function wakeAlerts({ db, newId, now }: Deps<readonly ['db:alerts']>): Promise<void> {
  const at = now()
  const until = Date.now() + roundMilliseconds
  for (let count = together; count === together && Date.now() < until; ) {
    count = await db.alerts.transaction(async tx => {
      const due = await tx<Alert[]>`
        select ${alertColumns(tx)} from alert where state = 'snoozed' and snoozed_until <= ${at}
        order by snoozed_until limit ${together} for update skip locked`
      if (due.length === 0) return 0
      const woken = due.map(alert => ({ alert: toldAgain(alert) }))
      await fillMuted(tx, woken, at)
      const alerts = woken.map(({ alert }) => alert)
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
  await reviewMutes(db.alerts, { newId, now, until })
}
