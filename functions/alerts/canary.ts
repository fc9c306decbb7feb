import { z } from 'zod'
import { setting } from '../../shared/config.ts'
import { Location, Sku } from '../../shared/fields.ts'
import { schedule } from '../../shared/function/declare.ts'
import type { Metrics } from '../../shared/telemetry/metrics.ts'
import { runCanary } from './canary-run.ts'

/**
 * Drives one SKU through the whole way of an alert, as a customer's would go, and measures it: inventory, relay, Kafka, evaluation,
 * planning, sending. Nothing of it is told apart on the way.
 */
export const alertsCanary = schedule({
  name: 'alerts-canary',
  summary: 'Prove that an alert reaches somebody, and how fast',
  cron: '*/5 * * * *',
  uses: ['call:inventory', 'call:alerts-read', 'call:alerts-set-thresholds', 'call:notifications-read'],
  config: z.object({
    /** Reserved for this, and sold to nobody. Without it there is no canary. */
    CANARY_SKU: Sku.optional(),
    CANARY_LOCATION: Location.default('canary'),
    /** Milliseconds from the breach to the delivery after which a run has failed; as long for its preparation. */
    CANARY_DEADLINE: setting.milliseconds(60_000),
  }),
  // One at a time. It stays for some scrapes, or nobody would ever read its metrics.
  scale: { max: 1, concurrency: 1, timeout: 240, retention: 120 },
  deadline: 210_000,
  async handle({ config, call, newId, metrics, log }) {
    const { CANARY_SKU: sku, CANARY_LOCATION: location, CANARY_DEADLINE: deadline } = config
    if (sku === undefined) return
    const run = await runCanary({ call, sku, location, deadline, newId })
    const isSuccess = run.stage === 'done'
    const { success, seconds, runs } = canaryMetrics(metrics)
    success.set(isSuccess ? 1 : 0)
    seconds.set(isSuccess ? run.seconds : Math.max(run.seconds, deadline / 1_000))
    runs.inc({ stage: run.stage })
    if (isSuccess) log.info({ seconds: run.seconds }, 'the canary was heard')
    else log.error({ ...run, sku, location }, 'the canary was not heard')
  },
})

type CanaryMetrics = ReturnType<typeof newMetrics>
const known = new WeakMap<Metrics, CanaryMetrics>()

function canaryMetrics(metrics: Metrics): CanaryMetrics {
  const made = known.get(metrics) ?? newMetrics(metrics)
  known.set(metrics, made)
  return made
}

/** Gauges: a pod lives for one run or two, and what it counts ends with it. */
const newMetrics = (metrics: Metrics) => ({
  success: metrics.gauge('tidemark_canary_success', '1: the last run of the canary was delivered in time.'),
  seconds: metrics.gauge(
    'tidemark_canary_breach_to_delivery_seconds',
    'From the breach to its delivery in the last run; at least the deadline where it did not arrive.',
  ),
  runs: metrics.counter('tidemark_canary_runs_total', 'Runs of the canary, by how far they came.', ['stage']),
})
