import type { Gauge } from 'prom-client'
import { schedule } from '../../shared/function/declare.ts'
import type { Metrics } from '../../shared/telemetry/metrics.ts'
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

const gaugeName = 'tidemark_stock_drift_rows'

const driftGauge = (metrics: Metrics): Gauge<'kind'> =>
  (metrics.registry.getSingleMetric(gaugeName) as Gauge<'kind'> | undefined) ??
  metrics.gauge(gaugeName, 'Rows whose totals are not what ledger and reservations prove.', ['kind'])
