import { isUrgent } from './alert-facts.ts'
import type { Pace, Route, Routed } from './routing.ts'

export type Lane = 'urgent' | 'normal'

export interface Grouping {
  /** When those that wait are told; null while none waits. */
  readonly flushAt: Date | null
  /** The event whose handler flushes it; null: the schedule does. */
  readonly opener: string | null
  readonly flushedAt: Date | null
  readonly flushes: number
  readonly repeatAt: Date | null
}

export const emptyGroup: Grouping = { flushAt: null, opener: null, flushedAt: null, flushes: 0, repeatAt: null }

export const laneOf = ({ severity }: Pick<Routed, 'severity'>): Lane => (isUrgent(severity) ? 'urgent' : 'normal')

export const paceOf = (route: Route, lane: Lane): Pace => route[lane]

/** Alerts with the same key make one message. The lane is part of it, whatever a route groups by: nothing urgent waits for the rest. */
export const groupKeyOf = (route: Route, alert: Routed): string =>
  JSON.stringify([route.id ?? 'default', laneOf(alert), ...[...route.groupBy].sort().map(label => [label, alert[label]])])

const later = (instant: Date, seconds: number): Date => new Date(instant.getTime() + seconds * 1_000)

/**
 * The group when an alert has joined it. The first one waits for `wait`, and who comes meanwhile is told with it. After a message the
 * next one is told an `interval` later at the earliest, with all that came until then.
 * @param handlerWait seconds that a handler waits itself; what waits longer is left to the schedule
 */
export function joined(group: Grouping, pace: Pace, now: Date, opener: string, handlerWait: number): Grouping {
  if (group.flushAt) return group
  const earliest = later(now, pace.wait)
  const next = group.flushedAt ? later(group.flushedAt, pace.interval) : earliest
  const flushAt = next > earliest ? next : earliest
  return { ...group, flushAt, opener: flushAt.getTime() - now.getTime() <= handlerWait * 1_000 ? opener : null }
}

export const isDue = (group: Grouping, now: Date): boolean => isFlushDue(group, now) || isRepeatDue(group, now)
export const isFlushDue = ({ flushAt }: Grouping, now: Date): boolean => flushAt !== null && flushAt <= now
export const isRepeatDue = ({ repeatAt }: Grouping, now: Date): boolean => repeatAt !== null && repeatAt <= now

/** The group after those that waited were told. @param tells false when nobody of it stands any more: then nothing was said */
export function flushed(group: Grouping, tells: boolean, repeatInterval: number | null, now: Date): Grouping {
  const over = { ...group, flushAt: null, opener: null }
  if (!tells) return { ...over, repeatAt: null }
  const repeatAt = repeatInterval === null ? null : later(now, repeatInterval)
  return { ...over, flushedAt: now, flushes: group.flushes + 1, repeatAt }
}
