/** `HH:MM`, local. */
export type LocalTime = string

const minute = 60_000
const day = 24 * 60 * minute

const minutesOf = (time: LocalTime): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5))

const formats = new Map<string, Intl.DateTimeFormat>()

/** Milliseconds that the clocks of a time zone are ahead of UTC at an instant: from the IANA database of this runtime. */
function offsetAt(timeZone: string, instant: number): number {
  let format = formats.get(timeZone)
  if (!format) {
    const numeric = {
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    } as const
    format = new Intl.DateTimeFormat('en-US', { timeZone, hourCycle: 'h23', ...numeric })
    formats.set(timeZone, format)
  }
  const parts = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]))
  const wall = Date.UTC(parts.year ?? 0, (parts.month ?? 1) - 1, parts.day, parts.hour, parts.minute, parts.second)
  return wall - Math.floor(instant / 1_000) * 1_000
}

/** Milliseconds since local midnight. */
const wallAt = (instant: number, offset: number): number => (((instant + offset) % day) + day) % day

export function isQuiet(from: LocalTime, to: LocalTime, timeZone: string, now: Date): boolean {
  const wall = wallAt(now.getTime(), offsetAt(timeZone, now.getTime())) / minute
  const [start, end] = [minutesOf(from), minutesOf(to)]
  return start <= end ? start <= wall && wall < end : start <= wall || wall < end
}

/** The end of the quiet hours that hold now, or null when none do. */
export const quietUntil = (from: LocalTime, to: LocalTime, timeZone: string, now: Date): Date | null =>
  isQuiet(from, to, timeZone, now) ? nextLocalTime(to, timeZone, now) : null

/**
 * The first instant after `now` at which the clocks of a time zone reach a time of day. A time that a change of the clocks leaves out is
 * reached by that change; of one that comes twice, the next counts.
 */
export function nextLocalTime(time: LocalTime, timeZone: string, now: Date): Date {
  const target = minutesOf(time) * minute
  let instant = now.getTime()
  for (;;) {
    const offset = offsetAt(timeZone, instant)
    const wall = wallAt(instant, offset)
    const ahead = (target - wall + day) % day || day
    const end = instant + ahead
    if (offsetAt(timeZone, end) === offset) return new Date(end)
    const change = changeBetween(timeZone, instant, end, offset)
    const jump = offsetAt(timeZone, change) - offset
    // Reached by the change itself: the clocks went over it, or onto it.
    if (end - change < jump) return new Date(change)
    if (wallAt(change, offset + jump) === target) return new Date(change)
    instant = change
  }
}

/** The instant at which the clocks are changed, to the millisecond. */
function changeBetween(timeZone: string, from: number, to: number, offset: number): number {
  let [before, after] = [from, to]
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2)
    if (offsetAt(timeZone, middle) === offset) before = middle
    else after = middle
  }
  return after
}
