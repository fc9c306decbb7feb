import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Rejected } from '../../shared/errors.ts'
import { cancel, confirm, type Order, type OrderState, place, reject, total } from './order.ts'
import { orderIdOf } from './place.ts'

const now = new Date('2026-01-01T12:00:00Z')
const line = { sku: 'A', location: 'main', quantity: 3, unitPrice: 250 }
const order = (state: OrderState = 'awaiting_stock', given: Partial<Order> = {}): Order => ({
  ...{ id: 'o', state, client: 'shop', customer: null, reference: 'INV-1', currency: 'GBP', total: 750, paymentToken: 'tok' },
  ...{ reservationId: null, paymentId: null, reason: null, placedAt: now, updatedAt: now, lines: [line] },
  ...given,
})

test('the total is the sum of the lines in minor units', () => {
  assert.equal(total([line, { ...line, quantity: 1, unitPrice: 99 }]), 849)
})

test('an order that holds its stock is placed, and says what has to be paid', () => {
  const { next, events } = place(order(), 'r', now)
  assert.deepEqual([next.state, next.reservationId], ['placed', 'r'])
  assert.deepEqual(
    events.map(({ type }) => type),
    ['tidemark.order.placed.v1'],
  )
  assert.deepEqual(events[0]?.data, {
    ...{ orderId: 'o', client: 'shop', reservationId: 'r', currency: 'GBP', total: 750, paymentToken: 'tok', reference: 'INV-1' },
    lines: [line],
  })
})

test('an order whose stock is short is rejected without an event, for nothing was promised', () => {
  assert.deepEqual(reject(order(), 'insufficient_stock', now).events, [])
})

test('a paid order is confirmed', () => {
  const { next, events } = confirm(order('placed', { reservationId: 'r' }), 'p', now)
  assert.deepEqual([next.state, next.paymentId, events[0]?.type], ['confirmed', 'p', 'tidemark.order.confirmed.v1'])
})

test('an order can be cancelled until it is rejected, and again finds it done', () => {
  for (const state of ['awaiting_stock', 'placed', 'confirmed'] as const) {
    const { next, events } = cancel(order(state, { reservationId: 'r' }), 'changed my mind', now)
    assert.deepEqual([next.state, next.reason], ['cancelled', 'changed my mind'])
    assert.deepEqual(events[0]?.data, { orderId: 'o', reservationId: 'r', reason: 'changed my mind' })
  }
  const done = order('cancelled')
  assert.deepEqual(cancel(done, 'again', now), { next: done, events: [] })
  assert.throws(
    () => cancel(order('rejected'), 'late', now),
    (error: Rejected) => error.code === 'order_not_cancellable',
  )
})

test('the same key names the same order, and another key another', () => {
  assert.equal(orderIdOf('shop:1'), orderIdOf('shop:1'))
  assert.notEqual(orderIdOf('shop:1'), orderIdOf('shop:2'))
  assert.match(orderIdOf('shop:1'), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})
