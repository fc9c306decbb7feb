import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import postgres from 'postgres'
import { type ClonedDatabase, cloneDatabase, type Started, startFunction } from '../../test/environment.ts'
import { chargePayment } from './charge.ts'
import { refundPayment } from './refund.ts'

let cloned: ClonedDatabase
let sql: postgres.Sql
let charging: Started
let refunding: Started
before(async () => {
  cloned = await cloneDatabase('payments')
  sql = postgres(cloned.url, { max: 1 })
  const env = { PAYMENTS_DATABASE_URL: cloned.url }
  ;[charging, refunding] = await Promise.all([startFunction(chargePayment, env), startFunction(refundPayment, env)])
})
after(async () => {
  await Promise.all([charging.stop(), refunding.stop(), sql.end()])
  await cloned.drop()
})

const placed = (orderId: string, paymentToken = 'tok_visa', total = 1_250, id?: string) =>
  charging.deliver(
    'tidemark.order.placed.v1',
    { orderId, client: 'shop', reservationId: randomUUID(), currency: 'GBP', total, paymentToken, reference: null, lines: [] },
    id === undefined ? {} : { id },
  )
const cancelled = (orderId: string, id?: string) =>
  refunding.deliver(
    'tidemark.order.cancelled.v1',
    { orderId, reservationId: null, reason: 'test' },
    id === undefined ? {} : { id },
  )
const paymentOf = async (orderId: string) =>
  (await sql<{ state: string; amount: string }[]>`select state, amount from payment where order_id = ${orderId}`)[0]
const eventsOf = async (orderId: string) =>
  (await sql<{ type: string }[]>`select type from outbox where key = ${orderId} order by id`).map(
    ({ type }) => type.split('.')[2],
  )

test('an order that holds its stock is charged once, however often it is told', async () => {
  const order = randomUUID()
  const id = randomUUID()
  assert.deepEqual(await Promise.all([placed(order, 'tok_visa', 1_250, id), placed(order, 'tok_visa', 1_250, id)]), [204, 204])
  assert.equal(await placed(order), 204)
  assert.deepEqual(await paymentOf(order), { state: 'succeeded', amount: '1250' })
  assert.deepEqual(await eventsOf(order), ['succeeded'])
})

test('a declined payment is a fact, told once', async () => {
  const order = randomUUID()
  assert.equal(await placed(order, 'tok_declined'), 204)
  assert.equal(await placed(order, 'tok_declined'), 204)
  assert.equal((await paymentOf(order))?.state, 'failed')
  assert.deepEqual(await eventsOf(order), ['failed'])
  assert.equal(await cancelled(order), 204)
  assert.deepEqual(await eventsOf(order), ['failed'], 'there is nothing to give back')
})

test('while the provider is away the charge is tried again later', async () => {
  const order = randomUUID()
  assert.equal(await placed(order, 'tok_unavailable'), 503)
  assert.equal(await paymentOf(order), undefined)
})

test('a cancelled order gets its money back, once', async () => {
  const order = randomUUID()
  await placed(order)
  const id = randomUUID()
  assert.deepEqual(await Promise.all([cancelled(order, id), cancelled(order, id)]), [204, 204])
  assert.equal(await cancelled(order), 204)
  assert.equal((await paymentOf(order))?.state, 'refunded')
  assert.deepEqual(await eventsOf(order), ['succeeded', 'refunded'])
  await placed(order)
  assert.equal((await paymentOf(order))?.state, 'refunded', 'a late delivery does not charge again')
})

test('an order that was cancelled before it was charged is never charged', async () => {
  const order = randomUUID()
  assert.equal(await cancelled(order), 204)
  assert.equal(await placed(order), 204)
  assert.equal((await paymentOf(order))?.state, 'void')
  assert.deepEqual(await eventsOf(order), [])
})

test('whichever comes first of a charge and its cancellation, no money is kept', async () => {
  const orders = Array.from({ length: 40 }, () => randomUUID())
  await Promise.all(orders.flatMap(order => [placed(order), cancelled(order)]))
  for (const order of orders) {
    const state = (await paymentOf(order))?.state
    assert.ok(state === 'void' || state === 'refunded', `${state}`)
    assert.deepEqual(await eventsOf(order), state === 'void' ? [] : ['succeeded', 'refunded'])
  }
})

test('an order that costs nothing is paid', async () => {
  const order = randomUUID()
  await placed(order, 'tok_visa', 0)
  assert.equal((await paymentOf(order))?.state, 'succeeded')
})
