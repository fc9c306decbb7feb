import type { Database, Tx } from '../../shared/data/postgres.ts'
import type { Deps } from '../../shared/function/resources.ts'
import type { Channel } from './alert-facts.ts'
import { closeDigests } from './digest-rows.ts'
import { flushGroups } from './flush-groups.ts'
import { lockDueGroups } from './group-rows.ts'
import { wakeHeld } from './message-rows.ts'
import { loadPeopleById } from './people-rows.ts'
import { Loaded, type Planning } from './planning.ts'
import { factsOf, isStanding } from './standing.ts'
import { readStanding } from './standing-rows.ts'
import { type Telling, tell } from './tell.ts'

/** Rows of one transaction: short locks, and a crash repeats little. */
const together = { groups: 20, held: 500, digests: 50 }
/** Milliseconds of one round: what is left over is the next one's. */
const roundMilliseconds = 20_000

type Flushing = Deps<readonly ['db:notifications']> & { readonly planning: Planning }

/** Tells what has waited long enough: groups, what quiet hours held back, digests; and what a crash left behind. */
export async function flushNotifications({ db, now, planning }: Flushing): Promise<void> {
  const until = Date.now() + roundMilliseconds
  await untilNone(db.notifications, until, together.groups, async tx => {
    const groups = await lockDueGroups(tx, now(), together.groups)
    await flushGroups(tx, planning, new Loaded(tx), groups, now(), () => '')
    return groups.length
  })
  await untilNone(db.notifications, until, together.held, tx => wakeHeld(tx, planning.newId, now(), together.held))
  await untilNone(db.notifications, until, together.digests, tx => tellDigests(tx, planning, now()))
}

/** One batch at least: a flood of one kind does not keep the others waiting for ever. */
async function untilNone(database: Database, until: number, full: number, batch: (tx: Tx) => Promise<number>): Promise<void> {
  while ((await database.transaction(batch)) === full && Date.now() < until) {}
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
