import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Rejected, Transient } from '../../shared/errors.ts'
import { Unanswered } from './channels/channel.ts'
import { type notificationStates, saysMore } from './notification-state.ts'
import { afterFailure, type Failed, triesFor } from './retry-plan.ts'

const now = new Date('2026-01-01T00:00:00Z')
const failed = (more: Partial<Failed> = {}): Failed => ({
  ...{ error: new Transient('unavailable'), attempts: 1, severity: 'low', priority: 'normal', confirms: false },
  ...more,
})
const secondsUntil = (next: ReturnType<typeof afterFailure>) =>
  next.kind === 'never' ? Number.POSITIVE_INFINITY : (next.at.getTime() - now.getTime()) / 1_000

test('what is refused for good is not tried again', () => {
  const next = afterFailure(failed({ error: new Rejected('invalid_input', 'no such mailbox') }), now, 0.5)
  assert.deepEqual(next, { kind: 'never', reason: 'no such mailbox' })
})

test('the first failures come again at once, later ones wait in their row, longer each time', () => {
  const kinds = [1, 2, 3, 4].map(attempts => afterFailure(failed({ attempts }), now, 1))
  assert.deepEqual(
    kinds.map(({ kind }) => kind),
    ['soon', 'soon', 'parked', 'parked'],
  )
  assert.deepEqual(kinds.map(secondsUntil), [0.3, 1, 30, 60])
})

test('what is urgent is tried more often before it waits in its row', () => {
  const tries = [1, 2, 3, 4, 5, 6, 7].map(attempts =>
    afterFailure(failed({ attempts, priority: 'urgent', severity: 'critical' }), now, 1),
  )
  assert.deepEqual(tries.map(secondsUntil), [0.3, 1, 2, 4, 8, 15, 30])
  assert.deepEqual(
    tries.map(({ kind }) => kind),
    ['soon', 'soon', 'soon', 'soon', 'soon', 'soon', 'parked'],
  )
})

test('the worse the news, the longer it is tried', () => {
  assert.ok(triesFor('low') < triesFor('critical') && triesFor('critical') < triesFor('out_of_stock'))
  for (const severity of ['low', 'critical', 'out_of_stock', null]) {
    assert.equal(afterFailure(failed({ severity, attempts: triesFor(severity) }), now, 0).kind, 'never')
    assert.notEqual(afterFailure(failed({ severity, attempts: triesFor(severity) - 1 }), now, 0).kind, 'never')
  }
})

test("a message that the provider may have is held back until the provider's own word can have come", () => {
  const error = new Unanswered('no answer', new Error('timeout'))
  assert.ok(secondsUntil(afterFailure(failed({ error, confirms: true }), now, 0)) >= 60)
  assert.ok(secondsUntil(afterFailure(failed({ error, confirms: true, priority: 'urgent' }), now, 0)) >= 10)
  assert.ok(secondsUntil(afterFailure(failed({ error, confirms: false }), now, 0)) < 1)
})

test('no message comes before its provider wants it, whatever the draw, and no wait is longer than half an hour on our own account', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 23 }),
      fc.constantFrom('normal' as const, 'urgent' as const),
      fc.integer({ min: 2, max: 7_200 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (attempts, priority, retryAfter, random) => {
        const severity = 'out_of_stock'
        const error = new Transient('unavailable', 'x', { retryAfter })
        assert.ok(secondsUntil(afterFailure(failed({ attempts, priority, severity, error }), now, random)) >= retryAfter - 0.001)
        const own = secondsUntil(afterFailure(failed({ attempts, priority, severity }), now, random))
        assert.ok(own > 0 && own <= 1_800)
      },
    ),
  )
})

test('whatever providers say, in whatever order and how often, the state ends the same', () => {
  const end = (words: readonly (typeof notificationStates)[number][]) =>
    words.reduce<(typeof notificationStates)[number]>((state, word) => (saysMore(word, state) ? word : state), 'sending')
  const words = fc.array(fc.constantFrom('sent' as const, 'delivered' as const, 'failed' as const, 'bounced' as const), {
    minLength: 1,
    maxLength: 8,
  })
  fc.assert(
    fc.property(
      words.chain(said => fc.tuple(fc.constant(said), fc.shuffledSubarray(said, { minLength: said.length }), fc.constant(said))),
      ([said, shuffled, again]) => {
        assert.equal(end(shuffled), end(said))
        assert.equal(end([...said, ...again]), end(said))
      },
    ),
  )
})
