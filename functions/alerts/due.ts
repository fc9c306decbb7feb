import { schedule } from '../../shared/function/declare.ts'
import { runParts } from '../../shared/round.ts'
import { escalateAlerts } from './escalate.ts'
import { judgeDue } from './threshold-due.ts'
import { wakeAlerts } from './wake.ts'

/** What falls due with no event that says so. */
export const alertsDue = schedule({
  name: 'alerts-due',
  summary: 'Tell alerts again whose snooze or mute is over, escalate them, and judge what has lasted or inherits a change',
  cron: '* * * * *',
  uses: ['db:alerts'],
  scale: { max: 1 },
  handle(deps) {
    const woken = wakeAlerts(deps)
    return runParts(deps.log, {
      wake: () => woken,
      // After it, whatever became of it: each steps over alerts that the other has locked, and would leave them to the next minute.
      escalate: () => woken.catch(() => {}).then(() => escalateAlerts(deps)),
      judge: () => judgeDue(deps),
    })
  },
})
