import {
  emptyGroup,
  flushed,
  type Grouping,
  groupKeyOf,
  isFlushDue,
  joined,
  laneOf,
  paceOf,
} from '../../functions/notifications/grouping.ts'
import { defaultRoute, standardPace } from '../../functions/notifications/routing.ts'
import type { Telling } from './shop.ts'

/** How many messages the default route makes of what is told, when nothing ends before its message. */
export function messagesOf(tellings: readonly Telling[]): number {
  const route = defaultRoute({ wait: standardPace.groupWait, interval: standardPace.groupInterval })
  const groups = new Map<string, Grouping>()
  let messages = 0
  for (const { at, sku, rule, severity } of tellings.toSorted((one, other) => one.at - other.at)) {
    const alert = { sku, rule, severity, location: 'main', category: null }
    const key = groupKeyOf(route, alert)
    let group = groups.get(key) ?? emptyGroup
    if (group.flushAt && isFlushDue(group, new Date(at))) {
      group = flushed(group, true, null, group.flushAt)
      messages++
    }
    groups.set(key, joined(group, paceOf(route, laneOf(alert)), new Date(at), '', 5))
  }
  return messages + [...groups.values()].filter(({ flushAt }) => flushAt !== null).length
}
