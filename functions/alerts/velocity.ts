/** Days since 1970-01-01, UTC. */
export type Day = number

const millisecondsOfDay = 86_400_000

export const dayOf = (time: Date): Day => Math.floor(time.getTime() / millisecondsOfDay)

/** 0 is Sunday; 1970-01-01 was a Thursday. */
export const weekdayOf = (day: Day): number => (((day + 4) % 7) + 7) % 7

export const isoDay = (day: Day): string => new Date(day * millisecondsOfDay).toISOString().slice(0, 10)

/** Today and twelve whole weeks before: enough for a weekday's mean, and some 700 bytes a place. */
export const daysKept = 85

/** What a place sold, a figure a day, oldest first. The first day is that of its first sale: before it nothing is known. */
export interface Sales {
  /** Of the last figure. */
  readonly day: Day
  /** Less than 0 where customers gave back more than they bought. */
  readonly units: readonly number[]
}

/** An event that comes late counts on its own day; one older than all that is kept does not count. */
export function addSales(sales: Sales | undefined, day: Day, sold: number): Sales | undefined {
  if (sold === 0) return sales
  if (!sales) return { day, units: [sold] }
  const last = Math.max(sales.day, day)
  const first = Math.max(Math.min(sales.day - sales.units.length + 1, day), last - daysKept + 1)
  if (day < first) return sales
  const units = wholeDays(sales, last + 1, last - first + 1)
  while (units.length < last - first + 1) units.unshift(0)
  units[day - first] = (units[day - first] as number) + sold
  return { day: last, units }
}

/** The last `most` days before today, each whole, from the first sale on. Oldest first; days without a sale are 0. */
export function wholeDays(sales: Sales | undefined, today: Day, most = daysKept - 1): number[] {
  if (!sales) return []
  const { day, units } = sales
  const first = Math.max(day - units.length + 1, today - most)
  if (first >= today) return []
  const known = units.slice(first - (day - units.length + 1), Math.min(units.length, units.length + today - 1 - day))
  while (known.length < today - first) known.push(0)
  return known
}

/** Units a day over the last `window` whole days, or over as many as there are. 0 before there is one. */
export function velocityOf(sales: Sales | undefined, today: Day, window: number): number {
  const days = wholeDays(sales, today, window)
  if (days.length === 0) return 0
  return Math.max(days.reduce((sum, units) => sum + units, 0) / days.length, 0)
}
