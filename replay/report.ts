import { type Evidence, type InvariantName, judge, type StockDifference, stockDifferences } from './invariants.ts'
import type { RowAccount } from './mapping.ts'
import type { ReplayOptions } from './options.ts'
import { raised, type Settled } from './settle.ts'
import type { Refusal, ShortSku, Tally } from './tally.ts'
import type { Timing, Timings } from './timings.ts'

const SHORT_SKUS_SHOWN = 10
const STOCK_DIFFERENCES_SHOWN = 20

/** The outcome of a replay, printed as a summary or, with `--json`, as it is. Counts are of this run; times are ms unless named seconds. */
export type Report = {
  readonly run: string
  readonly url: string
  readonly file: string
  readonly seconds: { readonly total: number; readonly sending: number; readonly settling: number }
  readonly ordersPerSecond: number
  readonly rows: RowAccount & { readonly outsideSelection: number }
  readonly orders: {
    /** Answered 201 or 202. */
    readonly placed: number
    /** Of those, answered 202: settled later. */
    readonly awaited: number
    /** Refused for want of stock. */
    readonly short: number
    readonly shortLines: number
    readonly cancelled: number
    /** Credit notes whose order was short. */
    readonly nothingToCancel: number
    readonly confirmed: number
    /** Accepted with 202 and refused later. */
    readonly rejected: number
    readonly unitsSold: number
  }
  readonly topShort: readonly ShortSku[]
  readonly returns: { readonly accepted: number; readonly units: number }
  readonly adjustments: { readonly accepted: number; readonly short: number; readonly netUnits: number }
  /** Not in the file: see plan.ts. */
  readonly derived: {
    readonly openingUnits: number
    readonly deliveries: number
    readonly deliveryUnits: number
    readonly thresholds: number
  }
  readonly alerts: {
    readonly raised: number
    readonly resolved: number
    readonly told: number
    /** Ended before anybody was told. */
    readonly cancelled: number
  }
  readonly mails: { readonly sent: number; readonly failed: number; readonly pending: number }
  readonly calls: Readonly<Record<string, Timing>>
  readonly retries: number
  /** Answers of 4xx and 500 that no rule of the shop explains. */
  readonly refusals: readonly Refusal[]
  readonly settled: boolean
  readonly stockDifferences: readonly StockDifference[]
  readonly invariants: Readonly<Record<InvariantName, boolean>>
}

export function allHold(report: Pick<Report, 'invariants'>): boolean {
  return Object.values(report.invariants).every(Boolean)
}

export function composeReport(run: {
  readonly options: ReplayOptions
  readonly rows: Report['rows']
  readonly tally: Tally
  readonly timings: Timings
  readonly settled: Settled
  readonly evidence: Evidence
  readonly totalMs: number
  readonly sendingMs: number
}): Report {
  const { options, tally, evidence, settled } = run
  const { before, after, orders } = evidence
  const { counts } = tally
  const confirmed = orders.filter(order => order.state === 'confirmed')
  return {
    run: options.run,
    url: options.url,
    file: options.file,
    seconds: { total: seconds(run.totalMs), sending: seconds(run.sendingMs), settling: seconds(settled.ms) },
    ordersPerSecond: rate(orders.length + counts.short, run.sendingMs),
    rows: run.rows,
    orders: {
      placed: orders.length,
      awaited: orders.filter(order => order.awaited).length,
      short: counts.short,
      shortLines: counts.shortLines,
      cancelled: counts.cancelled,
      nothingToCancel: counts.nothingToCancel,
      confirmed: confirmed.length,
      rejected: orders.filter(order => order.state === 'rejected').length,
      unitsSold: confirmed.flatMap(order => order.lines).reduce((sum, line) => sum + line.quantity, 0),
    },
    topShort: tally.topShort(SHORT_SKUS_SHOWN),
    returns: { accepted: counts.returned, units: counts.returnedUnits },
    adjustments: { accepted: counts.adjusted, short: counts.adjustmentsShort, netUnits: counts.adjustedUnits },
    derived: {
      openingUnits: counts.openingUnits,
      deliveries: counts.deliveries,
      deliveryUnits: counts.deliveryUnits,
      thresholds: counts.thresholds,
    },
    alerts: {
      raised: raised(before.alerts, after.alerts),
      resolved: after.alerts.resolved - before.alerts.resolved,
      told: after.mails.alertsTold - before.mails.alertsTold,
      cancelled: after.mails.alertsCancelled - before.mails.alertsCancelled,
    },
    mails: {
      sent: after.mails.sent - before.mails.sent,
      failed: after.mails.failed - before.mails.failed,
      pending: after.mails.pending,
    },
    calls: run.timings.summary(),
    retries: run.timings.retries,
    refusals: tally.refusals(),
    settled: settled.settled,
    stockDifferences: stockDifferences(evidence).slice(0, STOCK_DIFFERENCES_SHOWN),
    invariants: judge(evidence),
  }
}

const seconds = (ms: number) => Math.round(ms / 100) / 10
export const rate = (count: number, ms: number) => (ms <= 0 ? 0 : Math.round((count * 10_000) / ms) / 10)
