import { GroupCommit } from '../../shared/data/group-commit.ts'
import { currentTraceparent } from '../../shared/events/outbox.ts'
import { event } from '../../shared/function/declare.ts'
import { evaluate, type Observation } from './evaluation.ts'

export const evaluateAlerts = event({
  name: 'alerts-evaluate',
  summary: 'Raise an alert when stock falls to its threshold, resolve it when the stock has recovered',
  topic: 'stock',
  types: ['tidemark.stock.changed.v1'],
  // Versions make the order of arrival needless.
  order: 'unordered',
  uses: ['db:alerts'],
  scale: { max: 10, concurrency: 200, retention: 30 },
  setup({ db, newId, now, metrics }) {
    const counted = metrics.counter(
      'tidemark_alert_evaluations_total',
      'Stock changes judged, and the alerts that came of them.',
      ['outcome'],
    )
    return {
      // Events that arrive together are judged in one transaction.
      evaluations: new GroupCommit<Observation, undefined>(async batch => {
        const { raised, resolved, stale, unchanged } = await db.alerts.transaction(tx => evaluate(tx, batch, newId, now()))
        counted.inc({ outcome: 'raised' }, raised)
        counted.inc({ outcome: 'resolved' }, resolved)
        counted.inc({ outcome: 'stale' }, stale)
        counted.inc({ outcome: 'unchanged' }, unchanged)
        return batch.map(() => ({ answer: undefined }))
      }),
    }
  },
  async handle({ evaluations }, { data, time }) {
    const { sku, location, available, version, capacity, since, sold: units } = data
    const sold = since === null || units === null ? null : { since, units }
    const traceparent = currentTraceparent()
    await evaluations.submit({ ...{ sku, location, available, version, capacity, sold }, at: time, traceparent })
  },
})
