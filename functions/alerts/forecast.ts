import { type Day, weekdayOf } from './velocity.ts'

/**
 * Exponential smoothing with a weekday pattern:
 *
 * 1. The pattern: a weekday's factor is its mean day over the mean of all days, drawn towards 1 as if four more of its days had sold the
 *    mean, so that one busy Tuesday makes no pattern. A weekday on which nothing was ever sold in four weeks and more is closed: 0.
 * 2. The level: each day's units over its factor, smoothed: level += 0.07 × (units ÷ factor − level). It starts at the mean of the first
 *    week. Closed days say nothing.
 * 3. The forecast of a day: level × factor.
 *
 * It knows no trend, no season and no promotion, and takes what was sold for what was wanted: a shelf that was empty sold nothing.
 */
export interface Forecast {
  /** Units of a mean day. */
  readonly level: number
  /** By weekday, from Sunday. */
  readonly factors: readonly number[]
}

/** Chosen by the error on a real retailer's ten months (forecast.test.ts): 0.05 to 0.1 are as good, 0.2 is worse than a mean of four weeks. */
const smoothing = 0.07
const drawn = 4
const weeksToBeClosed = 4

/** @param days units of whole days, oldest first; the last is the day before `today` */
export function forecastOf(days: readonly number[], today: Day): Forecast {
  // Asked with each event of a place: in plain loops.
  const sums = Array<number>(7).fill(0)
  const counts = Array<number>(7).fill(0)
  let total = 0
  for (const [index, units] of days.entries()) {
    const weekday = weekdayOf(today - days.length + index)
    const sold = Math.max(units, 0)
    sums[weekday] = (sums[weekday] as number) + sold
    counts[weekday] = (counts[weekday] as number) + 1
    total += sold
  }
  if (total === 0) return { level: 0, factors: Array(7).fill(1) }
  const mean = total / days.length
  const factors = sums.map((sum, weekday) => {
    const count = counts[weekday] as number
    return sum === 0 && count >= weeksToBeClosed ? 0 : (sum + drawn * mean) / ((count + drawn) * mean)
  })
  const open: number[] = []
  for (const [index, units] of days.entries()) {
    const factor = factors[weekdayOf(today - days.length + index)] as number
    if (factor > 0) open.push(Math.max(units, 0) / factor)
  }
  const firstWeek = open.slice(0, 7)
  let level = firstWeek.reduce((sum, units) => sum + units, 0) / firstWeek.length
  for (const units of open) level += smoothing * (units - level)
  return { level, factors }
}

/** Units that will be wanted in so many days, from tomorrow on: the rest of today stands for the part of the last one. */
export function demandWithin({ level, factors }: Forecast, today: Day, days: number): number {
  let sum = 0
  for (let ahead = 1; ahead <= days; ahead++) sum += level * (factors[weekdayOf(today + ahead)] as number)
  return sum
}
