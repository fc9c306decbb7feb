import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Rejected } from '../../shared/errors.ts'
import { type Alert, newAlert } from './alert.ts'
import { respond, toldAgain } from './lifecycle.ts'

const now = new Date('2026-01-01T12:00:00Z')
const later = new Date('2026-01-01T13:00:00Z')
const open = newAlert('alert', { sku: 'A', location: 'main', available: 3, version: 7 }, { level: 10, resolveAbove: 12 }, now)
const resolved: Alert = { ...open, state: 'resolved', resolvedAt: now }

test('the last word about an alert counts, and saying it twice changes nothing', () => {
  const acknowledged = respond(open, { action: 'acknowledge' }, now, 'ann')
  assert.deepEqual([acknowledged.next.state, acknowledged.did], ['acknowledged', 'acknowledged'])
  assert.deepEqual(acknowledged.event, {
    type: 'tidemark.alert.acknowledged.v1',
    data: { alertId: 'alert', sku: 'A', location: 'main', acknowledgedAt: now.getTime(), acknowledgedBy: 'ann' },
  })
  assert.deepEqual(respond(acknowledged.next, { action: 'acknowledge' }, now, 'bob'), { next: acknowledged.next })
  const snoozed = respond(acknowledged.next, { action: 'snooze', until: later }, now, 'bob')
  assert.deepEqual([snoozed.next.state, snoozed.next.snoozedUntil], ['snoozed', later])
  assert.equal(respond(snoozed.next, { action: 'acknowledge' }, now, 'ann').next.snoozedUntil, null)
})

test('who resolves an alert is told to everybody, and what is resolved stays so', () => {
  const { next, event } = respond(open, { action: 'resolve' }, now, 'ann')
  assert.deepEqual([next.state, next.resolvedAt], ['resolved', now])
  assert.deepEqual(event, {
    type: 'tidemark.alert.resolved.v1',
    data: {
      ...{ alertId: 'alert', sku: 'A', location: 'main', available: 3, stockVersion: 7 },
      ...{ resolvedAt: now.getTime(), resolvedBy: 'ann' },
    },
  })
  assert.deepEqual(respond(resolved, { action: 'resolve' }, later, 'bob'), { next: resolved })
  for (const response of [{ action: 'acknowledge' }, { action: 'snooze', until: later }] as const) {
    assert.throws(
      () => respond(resolved, response, now, 'ann'),
      (error: Rejected) => error.code === 'alert_resolved',
    )
  }
})

test('who puts an alert off has seen it, and that is said once', () => {
  const snoozed = respond(open, { action: 'snooze', until: later }, now, 'ann')
  assert.equal(snoozed.event?.type, 'tidemark.alert.acknowledged.v1')
  assert.equal(respond(snoozed.next, { action: 'snooze', until: later }, now, 'ann').event, undefined)
})

test('nothing is put off into the past', () => {
  assert.throws(() => respond(open, { action: 'snooze', until: now }, now, 'ann'), Rejected)
})

test('a snooze that is over tells the alert once more', () => {
  const snoozed = respond(open, { action: 'snooze', until: later }, now, 'ann').next
  const { state, snoozedUntil, telling } = toldAgain(snoozed)
  assert.deepEqual([state, snoozedUntil, telling], ['open', null, 2])
})
