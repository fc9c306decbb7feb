import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type AlertEvent, heard, isAcknowledged, isStanding, type Standing, unheard } from './standing.ts'

const at = (minutes: number) => 1_800_000_000_000 + minutes * 60_000
const place = { alertId: 'a', sku: 'A-1', location: 'main' }
const event = <T extends AlertEvent['type']>(type: T, minutes: number, data: object) =>
  ({
    id: `${type}${minutes}`,
    type,
    subject: 'a',
    time: new Date(at(minutes)),
    data: { ...place, ...data },
  }) as unknown as AlertEvent

const raised = (telling: number, minutes: number, severity = 'low') =>
  event('tidemark.alert.raised.v1', minutes, {
    ...{ severity, available: 3, threshold: 12, stockVersion: telling, raisedAt: at(0), telling },
    ...{ category: null, rule: 'absolute', suggestedOrder: null, muted: null },
  })
const acknowledged = (minutes: number) =>
  event('tidemark.alert.acknowledged.v1', minutes, { acknowledgedAt: at(minutes), acknowledgedBy: 'berta' })
const resolved = (minutes: number) =>
  event('tidemark.alert.resolved.v1', minutes, { available: 40, stockVersion: 9, resolvedAt: at(minutes), resolvedBy: null })

const after = (events: readonly AlertEvent[]) =>
  events.reduce<{ alert: Standing; news: string[] }>(
    ({ alert, news }, one) => {
      const { next, news: found } = heard(alert, one)
      return { alert: next, news: [...news, found] }
    },
    { alert: unheard(raised(1, 0)), news: [] },
  )

test('what is known of an alert does not depend on the order in which its events come, nor on how often', () => {
  const story = [raised(1, 0), acknowledged(5), raised(2, 10, 'critical'), acknowledged(12), raised(3, 20, 'out_of_stock')]
  fc.assert(
    fc.property(fc.boolean(), fc.array(fc.nat(5), { maxLength: 6 }), fc.func(fc.nat()), (ends, again, order) => {
      const events = ends ? [...story, resolved(30)] : story
      const delivered = [...events, ...again.flatMap(n => events[n] ?? [])]
        .map((one, n) => ({ one, place: order(n) }))
        .sort((a, b) => a.place - b.place)
        .map(({ one }) => one)
      const { alert, news } = after(delivered)
      assert.deepEqual(alert, after(events).alert)
      assert.ok(news.filter(found => found === 'resolved').length <= 1)
      const end = news.indexOf('resolved')
      if (end >= 0) assert.equal(news.slice(end).includes('told'), false, 'nobody is told of what has ended')
    }),
  )
})

test('each telling is news once, an older one never', () => {
  assert.deepEqual(after([raised(1, 0), raised(1, 0), raised(3, 20), raised(2, 10)]).news, ['told', 'nothing', 'told', 'nothing'])
})

test('an acknowledgement counts until the alert gets worse', () => {
  assert.equal(isAcknowledged(after([raised(1, 0), acknowledged(5)]).alert), true)
  assert.equal(isAcknowledged(after([raised(1, 0), acknowledged(5), raised(2, 10)]).alert), false)
  assert.equal(isAcknowledged(after([raised(2, 10), acknowledged(5), raised(1, 0)]).alert), false)
})

test('an alert of which only the end has come does not stand, whatever comes after', () => {
  const { alert, news } = after([resolved(30), raised(1, 0)])
  assert.deepEqual([news, isStanding(alert)], [['resolved', 'nothing'], false])
})
