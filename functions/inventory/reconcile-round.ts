import type { Gauge } from 'prom-client'
import { schedule } from '../../shared/function/declare.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import type { Metrics } from '../../shared/telemetry/metrics.ts'
import { addMonths, type MonthsAhead } from './partitions.ts'
import { driftCounts, driftKinds } from './reconcile-drift.ts'
import { continueWalk } from './reconcile-walk.ts'

/** Milliseconds of one round: first what is new, then as far as the full proof gets in what is left. */
const roundMilliseconds = 90_000

export const reconcileInventory = schedule({
  name: 'inventory-reconcile',
  summary: 'Prove the totals against the ledger and the open reservations',
  cron: '*/15 * * * *',
  uses: ['db:inventory'],
  // It stays for some scrapes, or nobody would ever read its metrics.
  scale: { max: 1, concurrency: 1, timeout: 180, retention: 120 },
  deadline: 150_000,
  async handle({ db, newId, now, metrics, log }) {
    // First: it takes milliseconds, and a proof may need all the time that there is.
    await addMonths(db.inventory, now()).then(
      found => tellMonths(found, metrics, log),
      // There are months to spare, and rounds until then.
      error => log.error({ cause: (error as Error).message }, 'no months were added to the ledger'),
    )
    const walks = { database: db.inventory, newId, now, until: Date.now() + roundMilliseconds }
    const incremental = await continueWalk({ ...walks, mode: 'incremental' })
    const full = await continueWalk({ ...walks, mode: 'full' })
    const counts = await driftCounts(db.inventory.sql)
    const gauge = driftGauge(metrics)
    for (const kind of driftKinds) gauge.set({ kind }, counts[kind])
    if (driftKinds.some(kind => counts[kind] > 0)) log.error({ drift: counts, incremental, full }, 'stock drifts')
    else log.info({ incremental, full }, 'stock adds up')
  },
})

function tellMonths({ ahead, isLate, added }: MonthsAhead, metrics: Metrics, log: Log): void {
  monthsGauge(metrics, 'tidemark_movement_months_ahead', 'Months ahead that the ledger has a part for.').set(ahead)
  monthsGauge(metrics, 'tidemark_movement_late', '1: movements stand behind the last month that was added.').set(isLate ? 1 : 0)
  if (added.length > 0) log.info({ added }, 'the ledger has more months')
  if (isLate) log.error('movements stand behind the last month of the ledger')
}

const monthsGauge = (metrics: Metrics, name: string, help: string): Gauge =>
  (metrics.registry.getSingleMetric(name) as Gauge | undefined) ?? metrics.gauge(name, help)

const gaugeName = 'tidemark_stock_drift_rows'

const driftGauge = (metrics: Metrics): Gauge<'kind'> =>
  (metrics.registry.getSingleMetric(gaugeName) as Gauge<'kind'> | undefined) ??
  metrics.gauge(gaugeName, 'Rows whose totals are not what ledger and reservations prove.', ['kind'])
