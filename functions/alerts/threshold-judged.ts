import type { Seen, Threshold } from './alert.ts'
import type { Context, StandingAlert } from './threshold-context.ts'
import { type Judgement, judgeInTime } from './threshold-judge.ts'
import { type Figures, inUnits, suggestedOrder } from './threshold-levels.ts'
import type { StoredThreshold } from './thresholds.ts'
import type { Day } from './velocity.ts'

/** The judgement on a place by one rule. */
export interface JudgedRule extends Judgement {
  readonly stock: Seen
  readonly rule: string
  /** What counts there; absent where an alert outlived its threshold. */
  readonly source: StoredThreshold | undefined
  /** In units as they are now; absent too where the threshold says nothing of this place. */
  readonly threshold: Threshold | undefined
  readonly standing: StandingAlert | undefined
  readonly breachedSince: Date | undefined
  readonly category: string | null
  readonly suggestedOrder: number | null
}

/** Judges a place by every rule that counts there, or has left an alert or a breach there. */
export function judgePlace(context: Context, today: Day, now: Date): JudgedRule[] {
  const { sku, location, available, version, capacity, profile, sales, thresholds, standing, breachedSince } = context
  const stock: Seen = { sku, location, available, version }
  const figures: Figures = { capacity, profile, sales, today }
  const sources = new Map<string, StoredThreshold>(thresholds.map(one => [one.rule, one]))
  const rules = new Set([...sources.keys(), ...standing.keys(), ...breachedSince.keys()])
  return [...rules].map(rule => {
    const source = sources.get(rule)
    const threshold = source && inUnits(source, figures)
    const past = {
      standing: standing.get(rule),
      breachedSince: breachedSince.get(rule),
      lastResolved: context.lastResolved.get(rule),
    }
    const judgement = judgeInTime(stock, threshold, source ?? { forSeconds: 0, dedupSeconds: 0 }, past, now)
    // Only who reads an alert needs to know: reckoned where one is raised or told.
    const isTold = judgement.verdict === 'raise' || judgement.verdict === 'worsen' || judgement.verdict === 'wait'
    return {
      ...judgement,
      ...{ stock, rule, source, threshold, standing: past.standing, breachedSince: past.breachedSince },
      category: profile?.category || null,
      suggestedOrder: isTold && source && threshold ? suggestedOrder(available, threshold, source, figures) : null,
    }
  })
}
