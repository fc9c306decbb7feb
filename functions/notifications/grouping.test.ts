import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { emptyGroup, flushed, type Grouping, groupKeyOf, isFlushDue, joined } from './grouping.ts'
import { defaultRoute, type Route } from './routing.ts'

const at = (seconds: number) => new Date(1_800_000_000_000 + seconds * 1_000)
const alert = { sku: 'A-1', location: 'main', category: 'mugs', severity: 'low', rule: 'absolute' } as const

test('the first of a group waits for others; a handler waits itself when it is short', () => {
  const group = joined(emptyGroup, { wait: 1, interval: 60 }, at(0), 'event', 5)
  assert.deepEqual([group.flushAt, group.opener], [at(1), 'event'])
  assert.equal(joined(emptyGroup, { wait: 30, interval: 60 }, at(0), 'event', 5).opener, null)
})

test('who comes while others wait is told with them', () => {
  const group = joined(emptyGroup, { wait: 10, interval: 60 }, at(0), 'first', 5)
  assert.equal(joined(group, { wait: 10, interval: 60 }, at(9), 'second', 5), group)
})

test('after a message the next one comes an interval later; after a quiet time the wait counts again', () => {
  const told = flushed(joined(emptyGroup, { wait: 1, interval: 60 }, at(0), 'a', 5), true, null, at(1))
  assert.deepEqual(joined(told, { wait: 1, interval: 60 }, at(2), 'b', 5).flushAt, at(61))
  assert.deepEqual(joined(told, { wait: 1, interval: 60 }, at(500), 'b', 5).flushAt, at(501))
})

test('a group of which nobody stands any more tells nothing and is repeated no more', () => {
  const group = flushed({ ...emptyGroup, flushAt: at(0), repeatAt: at(90) }, false, 60, at(1))
  assert.deepEqual([group.flushes, group.flushAt, group.repeatAt], [0, null, null])
})

test('what is urgent is never grouped with what is not, whatever a route groups by', () => {
  const route: Route = { ...defaultRoute({ wait: 1, interval: 60 }), groupBy: [] }
  assert.notEqual(groupKeyOf(route, alert), groupKeyOf(route, { ...alert, severity: 'critical' }))
  assert.equal(groupKeyOf(route, alert), groupKeyOf(route, { ...alert, sku: 'B-2', location: 'shop' }))
})

test('in every storm each alert is told once, in time, and the messages are bounded', () => {
  const arrivals = fc.array(fc.integer({ min: 0, max: 120_000 }), { minLength: 1, maxLength: 300 })
  fc.assert(
    fc.property(arrivals, fc.integer({ min: 0, max: 10 }), fc.integer({ min: 1, max: 60 }), (milliseconds, wait, interval) => {
      const times = [...milliseconds].sort((a, b) => a - b)
      const pace = { wait, interval }
      let group: Grouping = emptyGroup
      let waiting: number[] = []
      let told = 0
      const tellUntil = (end: number) => {
        if (!group.flushAt || group.flushAt.getTime() > end) return
        const time = group.flushAt
        assert.ok(isFlushDue(group, time))
        for (const arrived of waiting) assert.ok(time.getTime() - arrived <= Math.max(wait, interval) * 1_000)
        told += waiting.length
        waiting = []
        group = flushed(group, true, null, time)
      }
      for (const time of times) {
        tellUntil(time)
        group = joined(group, pace, new Date(time), 'event', 5)
        waiting.push(time)
      }
      tellUntil(Number.POSITIVE_INFINITY)
      assert.equal(told, times.length)
      const span = (times.at(-1) as number) - (times[0] as number)
      assert.ok(group.flushes <= 2 + Math.ceil(span / (interval * 1_000)), `${group.flushes} messages in ${span} ms`)
    }),
  )
})
