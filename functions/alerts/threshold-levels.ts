import { standardResolveAbove, type Threshold } from './alert.ts'
import { demandWithin, forecastOf } from './forecast.ts'
import type { StoredThreshold } from './thresholds.ts'
import { type Day, type Sales, velocityOf, wholeDays } from './velocity.ts'

/** What is known of a SKU beside its stock. */
export interface Profile {
  readonly category: string
  readonly leadTimeDays: number | null
  readonly parLevel: number | null
  readonly packSize: number
  readonly minimumOrder: number
}

/** What thresholds are reckoned from at a place. */
export interface Figures {
  readonly capacity: number | null
  readonly profile: Profile | undefined
  readonly sales: Sales | undefined
  readonly today: Day
}

const standardLeadTime = 7
const standardWindow = 28
/** Days beyond the lead time that an order is to last, where the threshold does not say more. */
const standardCover = 14

export const leadTimeOf = (threshold: StoredThreshold, { profile }: Pick<Figures, 'profile'>): number =>
  threshold.leadTimeDays ?? profile?.leadTimeDays ?? standardLeadTime

export const velocityFor = ({ windowDays }: StoredThreshold, { sales, today }: Figures): number =>
  velocityOf(sales, today, windowDays ?? standardWindow)

/**
 * A threshold of any type in units, so that one rule judges them all; undefined where it cannot count: a percentage of nothing.
 * What sells nothing lasts for ever, and nothing is foretold of it: then only an empty shelf is too low.
 */
export function inUnits(threshold: StoredThreshold, figures: Figures): Threshold | undefined {
  switch (threshold.rule) {
    case 'absolute':
      return mapped(threshold, level => level)
    case 'percentage': {
      const whole = threshold.parLevel ?? figures.capacity ?? figures.profile?.parLevel ?? null
      return whole === null ? undefined : mapped(threshold, percent => (whole * percent) / 100)
    }
    case 'days_of_cover': {
      const [velocity, lead] = [velocityFor(threshold, figures), leadTimeOf(threshold, figures)]
      return withGap(mapped(threshold, days => velocity * (lead + days)))
    }
    case 'forecast': {
      const { sales, today } = figures
      const demand = demandWithin(forecastOf(wholeDays(sales, today), today), today, leadTimeOf(threshold, figures))
      return withGap(mapped(threshold, left => left + demand))
    }
  }
}

function mapped({ level, criticalLevel, resolveAbove }: StoredThreshold, units: (value: number) => number): Threshold {
  const whole = (value: number) => Math.floor(units(value) + 1e-9)
  return {
    level: whole(level),
    criticalLevel: criticalLevel === null ? null : whole(criticalLevel),
    resolveAbove: whole(resolveAbove),
  }
}

/** Days and units that are left may be a small part of what they are reckoned to: their own gap would be none. */
const withGap = (threshold: Threshold): Threshold => ({
  ...threshold,
  resolveAbove: Math.max(threshold.resolveAbove, standardResolveAbove(threshold.level)),
})

/**
 * Units to order now: up to the par level, or to what is sold in the lead time and some days more; enough in any case to end the alert,
 * and a whole number of packs. What has been ordered before is not known here. Null where neither is known.
 */
export function suggestedOrder(available: number, units: Threshold, threshold: StoredThreshold, figures: Figures): number | null {
  const { profile } = figures
  const velocity = velocityFor(threshold, figures)
  const par = threshold.parLevel ?? profile?.parLevel ?? null
  if (par === null && velocity === 0) return null
  const cover = threshold.rule === 'days_of_cover' ? Math.max(threshold.level, standardCover) : standardCover
  const target = par ?? Math.ceil(velocity * (leadTimeOf(threshold, figures) + cover))
  const missing = Math.max(target, units.resolveAbove + 1) - available
  const pack = profile?.packSize ?? 1
  return Math.ceil(Math.max(missing, profile?.minimumOrder ?? 0) / pack) * pack
}
