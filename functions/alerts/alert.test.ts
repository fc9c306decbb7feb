import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { judge, newAlert, raisedEvent, type Standing, severityOf, standardResolveAbove } from './alert.ts'

const stock = (available: number) => ({ sku: 'A', location: 'main', available, version: 1 })
const threshold = { level: 10, resolveAbove: 12 }
const open = { id: 'alert', state: 'open', severity: 'out_of_stock' } as const

test('stock at its level or below raises an alert, above it does not', () => {
  assert.deepEqual(
    [11, 10, 9, 0, -3].map(available => judge(stock(available), threshold, undefined)),
    ['nothing', 'raise', 'raise', 'raise', 'raise'],
  )
})

test('an open alert ends only above the resolving level', () => {
  assert.deepEqual(
    [9, 10, 11, 12, 13].map(available => judge(stock(available), threshold, open)),
    ['nothing', 'nothing', 'nothing', 'nothing', 'resolve'],
  )
})

test('what stands is told again only when it is worse, and what a person resolved is news only then or after a recovery', () => {
  const verdicts = (state: Standing['state'], severity: Standing['severity']) =>
    [13, 11, 5, 0].map(available => judge(stock(available), threshold, { id: 'alert', state, severity }))
  assert.deepEqual(verdicts('acknowledged', 'low'), ['resolve', 'nothing', 'nothing', 'worsen'])
  assert.deepEqual(verdicts('snoozed', 'out_of_stock'), ['resolve', 'nothing', 'nothing', 'nothing'])
  assert.deepEqual(verdicts('resolved', 'low'), ['settle', 'nothing', 'nothing', 'raise'])
  assert.deepEqual(verdicts('resolved', 'out_of_stock'), ['settle', 'nothing', 'nothing', 'nothing'])
})

test('without a threshold nothing is raised, and what is open ends', () => {
  assert.equal(judge(stock(0), undefined, undefined), 'nothing')
  assert.equal(judge(stock(0), undefined, open), 'resolve')
})

test('stock that hovers at its level alerts once', () => {
  fc.assert(
    fc.property(fc.nat({ max: 1_000 }), fc.array(fc.boolean(), { maxLength: 50 }), (level, steps) => {
      const hovering = { level, resolveAbove: standardResolveAbove(level) }
      let raised = 0
      let alert: Standing | undefined
      for (const up of steps) {
        const verdict = judge(stock(up ? level + 1 : level), hovering, alert)
        if (verdict === 'raise') {
          raised++
          alert = { ...open, id: String(raised) }
        }
        assert.notEqual(verdict, 'resolve')
      }
      assert.ok(raised <= 1)
    }),
  )
})

test('an alert says how serious it is, what it saw, and what to do', () => {
  const levels = { ...threshold, criticalLevel: 4 }
  assert.deepEqual(
    [5, 4, 1, 0, -1].map(available => severityOf(available, levels)),
    ['low', 'critical', 'critical', 'out_of_stock', 'out_of_stock'],
  )
  assert.equal(severityOf(1, { criticalLevel: null }), 'low')
  const now = new Date('2026-01-01T00:00:00Z')
  const what = { rule: 'forecast', category: 'kitchen', suggestedOrder: 48 }
  const { data } = raisedEvent(newAlert('alert', stock(3), levels, now, what))
  assert.deepEqual(data, {
    ...{ alertId: 'alert', sku: 'A', location: 'main', severity: 'critical', available: 3, threshold: 10, stockVersion: 1 },
    ...{ raisedAt: now.getTime(), telling: 1, ...what, muted: null },
  })
})

test('low that gets critical is told again, and critical that gets low is not', () => {
  const levels = { ...threshold, criticalLevel: 4 }
  const verdicts = (severity: Standing['severity']) =>
    [8, 4, 0].map(available => judge(stock(available), levels, { ...open, severity }))
  assert.deepEqual(verdicts('low'), ['nothing', 'worsen', 'worsen'])
  assert.deepEqual(verdicts('critical'), ['nothing', 'nothing', 'worsen'])
})
