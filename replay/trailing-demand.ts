import { DAY, type OrderStep, type RecordedStep, totals, WEEK } from './steps.ts'

const TRAILING_WEEKS = 6

/** 1970-01-05 was a Monday. */
const FIRST_MONDAY = 4 * DAY

export const weekOf = (at: number) => Math.floor((at - FIRST_MONDAY) / WEEK)

/**
 * What was asked for in the weeks before a Monday: orders that were short count too (the shop saw the demand), cancelled ones stop
 * counting once their cancellation is known.
 */
export class TrailingDemand {
  readonly #orders = new Map<number, Map<string, OrderStep>>()
  readonly #weekOfOrder = new Map<string, number>()
  readonly #firstWeek = new Map<string, number>()

  mondayOf(week: number): number {
    return FIRST_MONDAY + week * WEEK
  }

  record(step: RecordedStep): void {
    if (step.kind === 'order') {
      const week = weekOf(step.at)
      const orders = this.#orders.get(week) ?? new Map<string, OrderStep>()
      this.#orders.set(week, orders.set(step.id, step))
      this.#weekOfOrder.set(step.id, week)
      for (const { sku } of step.lines) if (!this.#firstWeek.has(sku)) this.#firstWeek.set(sku, week)
    }
    if (step.kind === 'cancellation') this.#orders.get(this.#weekOfOrder.get(step.order) ?? Number.NaN)?.delete(step.order)
  }

  /** A SKU's mean units a week (of the weeks since its first sale, at most six) and its biggest order. */
  before(week: number): Map<string, { perWeek: number; biggest: number }> {
    const demand = new Map<string, { perWeek: number; biggest: number }>()
    for (let past = week - TRAILING_WEEKS; past < week; past += 1) {
      for (const order of this.#orders.get(past)?.values() ?? []) {
        for (const [sku, units] of totals(order.lines)) {
          const weeks = Math.min(TRAILING_WEEKS, week - (this.#firstWeek.get(sku) ?? past))
          const own = demand.get(sku) ?? { perWeek: 0, biggest: 0 }
          demand.set(sku, { perWeek: own.perWeek + units / weeks, biggest: Math.max(own.biggest, units) })
        }
      }
    }
    return demand
  }
}
