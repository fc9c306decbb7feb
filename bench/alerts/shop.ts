import { isWorse, type Severity } from '../../functions/alerts/alert.ts'
import type { Context, StandingAlert } from '../../functions/alerts/threshold-context.ts'
import { judgePlace } from '../../functions/alerts/threshold-judged.ts'
import type { StoredThreshold } from '../../functions/alerts/thresholds.ts'
import { addSales, dayOf } from '../../functions/alerts/velocity.ts'
import { nothingCounted } from '../../functions/alerts/velocity-counted.ts'

export interface Raised {
  readonly sku: string
  readonly rule: string
  readonly at: number
  readonly available: number
}

/** A message's worth: an alert that is raised, or is worse than it was. */
export interface Telling {
  readonly sku: string
  readonly rule: string
  readonly severity: Severity
  readonly at: number
}

/** Stock of one place, judged after each change as alerts-evaluate judges it, with what its database keeps kept in memory. */
export class Shop {
  readonly raised: Raised[] = []
  readonly tellings: Telling[] = []
  /** Alerts raised while one stood, or told again without being worse. */
  falseRepeats = 0
  readonly #contexts = new Map<string, Context>()
  readonly #thresholds: ReadonlyMap<string, readonly StoredThreshold[]>

  constructor(thresholds: ReadonlyMap<string, readonly StoredThreshold[]>) {
    this.#thresholds = thresholds
  }

  /** Since when an alert of this rule stands. */
  standingSince(sku: string, rule: string): number | undefined {
    return this.#contexts.get(sku)?.standing.get(rule)?.raisedAt.getTime()
  }

  see(sku: string, available: number, sold: number, at: number): void {
    const before = this.#contexts.get(sku) ?? this.#unseen(sku)
    const now = new Date(at)
    const sales = addSales(before.sales, dayOf(now), sold)
    const context = { ...before, available, version: before.version + 1, sales }
    const standing = new Map(context.standing)
    for (const { rule, verdict, threshold } of judgePlace(context, dayOf(now), now)) {
      const one = standing.get(rule)
      const isLow = threshold !== undefined && available <= threshold.level
      const severity: Severity = available <= 0 ? 'out_of_stock' : 'low'
      if (verdict === 'raise') {
        if (one || !isLow) this.falseRepeats++
        this.raised.push({ sku, rule, at, available })
        this.tellings.push({ sku, rule, severity, at })
        standing.set(rule, { id: sku, state: 'open', severity, telling: 1, raisedAt: now } satisfies StandingAlert)
      }
      if (verdict === 'worsen' && one) {
        if (!isWorse(severity, one.severity)) this.falseRepeats++
        this.tellings.push({ sku, rule, severity, at })
        standing.set(rule, { ...one, severity, telling: one.telling + 1 })
      }
      if (verdict === 'resolve') standing.delete(rule)
    }
    this.#contexts.set(sku, { ...context, standing })
  }

  #unseen(sku: string): Context {
    return {
      ...{ sku, location: 'main', available: 0, version: 0, capacity: null, counted: nothingCounted, profile: undefined },
      ...{ sales: undefined, thresholds: this.#thresholds.get(sku) ?? [], standing: new Map() },
      ...{ breachedSince: new Map(), lastResolved: new Map() },
    }
  }
}
