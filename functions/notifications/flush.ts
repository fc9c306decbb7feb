import type { Database, Tx } from '../../shared/data/postgres.ts'
import { schedule } from '../../shared/function/declare.ts'
import type { Channel } from './alert-facts.ts'
import { closeDigests } from './digest-rows.ts'
import { flushGroups } from './flush-groups.ts'
import { lockDueGroups } from './group-rows.ts'
import { wakeHeld } from './message-rows.ts'
import { loadPeopleById } from './people-rows.ts'
import { Loaded, type Planning } from './planning.ts'
import { planningConfig, planningOf } from './planning-config.ts'
import { factsOf, isStanding } from './standing.ts'
import { readStanding } from './standing-rows.ts'
import { type Telling, tell } from './tell.ts'

/** Rows of one transaction: short locks, and a crash repeats little. */
const together = { groups: 20, held: 500, digests: 50 }

/** Tells what has waited long enough: groups, what quiet hours held back, digests; and what a crash left behind. */
export const flushNotifications = schedule({
  name: 'notifications-flush',
  summary: 'Tell what has waited long enough: groups, quiet hours, digests, repetitions',
  cron: '* * * * *',
  uses: ['db:notifications'],
  config: planningConfig,
  scale: { max: 1 },
  setup: deps => ({ planning: planningOf(deps) }),
  async handle({ db, now, planning }) {
    await untilNone(db.notifications, together.groups, async tx => {
      const groups = await lockDueGroups(tx, now(), together.groups)
      await flushGroups(tx, planning, new Loaded(tx), groups, now(), () => '')
      return groups.length
    })
    await untilNone(db.notifications, together.held, tx => wakeHeld(tx, planning.newId, now(), together.held))
    await untilNone(db.notifications, together.digests, tx => tellDigests(tx, planning, now()))
  },
})

async function untilNone(database: Database, full: number, round: (tx: Tx) => Promise<number>): Promise<void> {
  for (let count = full; count === full; ) count = await database.transaction(round)
}

/** Digests whose time has come, with what still stands of them. One of which nothing stands tells nobody. */
async function tellDigests(tx: Tx, planning: Planning, now: Date): Promise<number> {
  const due = await closeDigests(tx, now, together.digests)
  if (due.length === 0) return 0
  const alerts = new Map((await readStanding(tx, [...new Set(due.flatMap(({ alertIds }) => alertIds))])).map(a => [a.alertId, a]))
  const people = await loadPeopleById(tx, [...new Set(due.map(({ recipientId }) => recipientId))])
  const tellings = due.flatMap((digest): Telling[] => {
    const person = people.get(digest.recipientId)
    const standing = digest.alertIds.flatMap(id => alerts.get(id) ?? []).filter(isStanding)
    if (!person || standing.length === 0) return []
    const facts = standing.map(factsOf)
    const channels: readonly Channel[] = [digest.channel]
    const tellRecovery = digest.tellsRecovery ? channels : []
    return [
      {
        ...{ kind: 'digest', key: `digest:${digest.id}`, alerts: facts, people: [person], channels, tellRecovery },
        // What became critical meanwhile was told as that; the digest itself does not hurry.
        ...{ urgent: false, insists: true, traceparent: '' },
      },
    ]
  })
  await tell(tx, planning, new Loaded(tx), tellings, now)
  return due.length
}
