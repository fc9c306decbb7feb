import type { Tx } from '../../shared/data/postgres.ts'
import { isMeant, type Person } from './audience.ts'
import { type Group, loadMembers, type Member, noteTold, saveGroups } from './group-rows.ts'
import { flushed, isDue, isRepeatDue } from './grouping.ts'
import { loadPeople } from './people-rows.ts'
import { type Loaded, type Planning, receiversOf, standardPerson, standardRoute } from './planning.ts'
import { loadRoutes } from './route-rows.ts'
import type { Route } from './routing.ts'
import { factsOf, isAcknowledged, isStanding } from './standing.ts'
import { type Telling, tell } from './tell.ts'

/**
 * Tells what waits in some groups, and again what is to be repeated. The groups are locked by the caller: a handler that opened one, or
 * the schedule. One that is not due any more was told by another.
 */
export async function flushGroups(
  tx: Tx,
  planning: Planning,
  loaded: Loaded,
  locked: readonly Group[],
  now: Date,
  traceOf: (group: Group) => string,
): Promise<void> {
  const due = locked.filter(group => isDue(group, now))
  if (due.length === 0) return
  const members = Map.groupBy(
    await loadMembers(
      tx,
      due.map(({ id }) => id),
    ),
    ({ groupId }) => groupId,
  )
  const routes = new Map((await loadRoutes(tx)).map(route => [route.id, route]))
  const routeOf = (group: Group): Route => routes.get(group.routeId) ?? standardRoute(planning.settings())
  const people = await loadPeople(tx, receiversOf(due.map(routeOf)))
  const standard = await standardPerson(planning.seal, planning.settings())
  const tellings: Telling[] = []
  const next: Group[] = []
  for (const group of due) {
    const route = routeOf(group)
    const standing = (members.get(group.id) ?? []).filter(isStanding)
    const { fresh, again } = divided(standing, group, now)
    next.push({ ...group, ...flushed(group, standing.length > 0, route.repeatInterval, now) })
    const meant = people.filter(person => isMeant(person, route.receivers))
    const common = {
      kind: 'alert' as const,
      people: reachable(meant) ? meant : [standard],
      channels: reachable(meant) ? route.channels : [],
      tellRecovery: route.tellRecovery,
      urgent: group.lane === 'urgent',
      insists: false,
      traceparent: traceOf(group),
    }
    const key = `group:${group.id}:${group.flushes + 1}`
    if (fresh.length > 0) tellings.push({ ...common, key, alerts: fresh.map(factsOf), isRepeat: false })
    if (again.length > 0) tellings.push({ ...common, key: `${key}:again`, alerts: again.map(factsOf), isRepeat: true })
  }
  await tell(tx, planning, loaded, tellings, now)
  await noteTold(
    tx,
    due.map(({ id }) => id),
    now,
  )
  await saveGroups(tx, next)
}

/** What waits, and what was told before and is to be told again, for nobody is at it. */
function divided(standing: readonly Member[], group: Group, now: Date): { fresh: Member[]; again: Member[] } {
  const again = isRepeatDue(group, now) ? standing.filter(member => member.wasTold && !isAcknowledged(member)) : []
  return { fresh: standing.filter(member => !member.wasTold), again }
}

/** Somebody with a contact. Who has opted out or wants less is reached, and has chosen. */
const reachable = (people: readonly Person[]): boolean => people.some(({ contacts }) => contacts.length > 0)
