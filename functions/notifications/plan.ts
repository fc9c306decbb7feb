import { setTimeout as pause } from 'node:timers/promises'
import { GroupCommit } from '../../shared/data/group-commit.ts'
import { currentTraceparent } from '../../shared/events/outbox.ts'
import { event } from '../../shared/function/declare.ts'
import { flushGroups } from './flush-groups.ts'
import { lockGroupsById } from './group-rows.ts'
import { type Heard, planBatch, type Wait } from './plan-batch.ts'
import { Loaded } from './planning.ts'
import { planningConfig, planningOf } from './planning-config.ts'
import type { AlertEvent } from './standing.ts'

export const planNotifications = event({
  name: 'notifications-plan',
  summary: 'Decide who is told about an alert, when, together with what, and with which words',
  topic: 'alerts',
  types: [
    'tidemark.alert.raised.v1',
    'tidemark.alert.resolved.v1',
    'tidemark.alert.acknowledged.v1',
    'tidemark.alert.escalated.v1',
  ],
  // Tellings and ends make the order of arrival needless.
  order: 'unordered',
  uses: ['db:notifications'],
  config: planningConfig,
  scale: { max: 5, concurrency: 200, retention: 30 },
  setup(deps) {
    const planning = planningOf(deps)
    return {
      planning,
      // Events that arrive together are planned in one transaction.
      plans: new GroupCommit<Heard, Wait | undefined>(async batch => {
        const waits = await deps.db.notifications.transaction(tx => planBatch(tx, planning, batch, deps.now()))
        return waits.map(answer => ({ answer }))
      }),
    }
  },
  async handle({ db, now, plans, planning }, event) {
    const wait = await plans.submit({ event: event as AlertEvent, traceparent: currentTraceparent() })
    if (!wait) return
    // Not acknowledged before the group is told: after a crash the event comes again and finds the group waiting.
    await pause(Math.max(0, wait.until.getTime() - now().getTime()))
    await db.notifications.transaction(async tx => {
      const groups = await lockGroupsById(tx, [wait.groupId])
      const trace = currentTraceparent()
      await flushGroups(tx, planning, new Loaded(tx), groups, now(), () => trace)
    })
  },
})
