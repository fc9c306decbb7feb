import { schedule } from '../../shared/function/declare.ts'
import { runParts } from '../../shared/round.ts'
import { flushNotifications } from './flush.ts'
import { planningConfig, planningOf } from './planning-config.ts'
import { requeueNotifications } from './requeue.ts'

/** What falls due with no event that says so. */
export const notificationsDue = schedule({
  name: 'notifications-due',
  summary: 'Tell what has waited long enough, announce waiting messages again, and let late ones fall back',
  cron: '* * * * *',
  uses: ['db:notifications'],
  config: planningConfig,
  scale: { max: 1 },
  setup: deps => ({ planning: planningOf(deps) }),
  handle: deps =>
    runParts(deps.log, {
      flush: () => flushNotifications(deps),
      requeue: () => requeueNotifications(deps),
    }),
})
