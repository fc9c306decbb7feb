import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, beforeEach, test } from 'node:test'
import postgres from 'postgres'
import { type ClonedDatabase, cloneDatabase, type RequestOptions, type Started, startFunction } from '../../test/environment.ts'
import { cancelOrder } from './cancel.ts'
import { placeOrder } from './place.ts'
import { readOrders } from './read.ts'
import { reserveOrders } from './reserve.ts'
import { settleOrder } from './settle.ts'

/** Functions never import each other's folders; a test may start the neighbour, as the registry does. */
const { inventory: inventoryFunction } = await import('../inventory/inventory.ts')

const databases: ClonedDatabase[] = []
const started: Started[] = []
let sql: postgres.Sql
let inventory: Started
let placing: Started
let placingAlone: Started
let cancelling: Started
let settling: Started
let reserving: Started
let reading: Started

before(async () => {
  const [orders, stock] = await Promise.all([cloneDatabase('orders'), cloneDatabase('inventory')])
  databases.push(orders, stock)
  sql = postgres(orders.url, { max: 1 })
  inventory = await startFunction(inventoryFunction, { INVENTORY_DATABASE_URL: stock.url })
  const env = { ORDERS_DATABASE_URL: orders.url }
  const withInventory = { ...env, FUNCTION_URL: inventory.url.replace('//', '//{name}@') }
  ;[placing, placingAlone, cancelling, settling, reserving, reading] = await Promise.all([
    startFunction(placeOrder, withInventory),
    startFunction(placeOrder, { ...env, FUNCTION_URL: 'http://{name}@127.0.0.1:1' }),
    startFunction(cancelOrder, env),
    startFunction(settleOrder, withInventory),
    startFunction(reserveOrders, withInventory),
    startFunction(readOrders, env),
  ])
  started.push(placing, placingAlone, cancelling, settling, reserving, reading, inventory)
})
after(async () => {
  for (const one of started) await one.stop()
  await sql.end()
  for (const database of databases) await database.drop()
})

interface OrderAnswer {
  id: string
  state: string
  total: number
  reason: string | null
  code: string
  shortages: { sku: string; requested: number; available: number }[]
  lines: { sku: string; location: string; quantity: number; unitPrice: number }[]
}

let sku: string
let number = 0
beforeEach(async () => {
  sku = `SKU-${++number}`
  await inventory.request('POST /v1/stock/receipts', { body: { lines: [{ sku, quantity: 10 }] } })
})

const place = (quantity: number, options: RequestOptions = {}, by = placing) =>
  by.request<OrderAnswer>('POST /v1/orders', {
    body: { lines: [{ sku, quantity, unitPrice: 250 }], currency: 'GBP', payment: { token: 'tok_visa' }, reference: sku },
    ...options,
  })
const read = async (id: string) => (await reading.request<OrderAnswer>(`GET /v1/orders/${id}`)).body
const cancel = (id: string, options: RequestOptions = {}) =>
  cancelling.request<OrderAnswer>(`POST /v1/orders/${id}/cancel`, { body: {}, ...options })
const level = async () => (await inventory.request<{ onHand: number; reserved: number }>(`GET /v1/stock/${sku}/main`)).body
const eventsOf = async (orderId: string) =>
  (await sql<{ type: string }[]>`select type from outbox where key = ${orderId} order by id`).map(
    ({ type }) => type.split('.')[2],
  )
const paid = (orderId: string, id?: string) =>
  settling.deliver(
    'tidemark.payment.succeeded.v1',
    { orderId, paymentId: '018f2f1e-7c3a-7b1e-8a55-0b8f6f1f0a01', amount: 500, currency: 'GBP' },
    id === undefined ? {} : { id },
  )
const declined = (orderId: string) =>
  settling.deliver('tidemark.payment.failed.v1', { orderId, paymentId: randomUUID(), declineCode: 'card_declined' })

test('an order whose stock is there is placed and holds it', async () => {
  const { status, body, headers } = await place(2)
  assert.equal(status, 201)
  assert.deepEqual([body.state, body.total], ['placed', 500])
  assert.equal(headers.get('location'), `/v1/orders/${body.id}`)
  assert.deepEqual(await read(body.id), body)
  assert.equal((await level()).reserved, 2)
  assert.deepEqual(await eventsOf(body.id), ['placed'])
})

test('an order whose stock is short is refused with the shortages, and there is no order', async () => {
  const { status, body } = await place(11)
  assert.deepEqual([status, body.code], [409, 'insufficient_stock'])
  assert.deepEqual(body.shortages, [{ sku, location: 'main', requested: 11, available: 10 }])
  assert.equal((await reading.request<{ items: unknown[] }>(`GET /v1/orders?reference=${sku}`)).body.items.length, 0)
})

test('the same key places one order, also when it comes twice at once', async () => {
  const [first, second] = await Promise.all([place(2, { key: `k-${sku}` }), place(2, { key: `k-${sku}` })])
  const third = await place(2, { key: `k-${sku}` })
  assert.deepEqual([first.status, second.status, third.status], [201, 201, 201])
  assert.deepEqual([second.body.id, third.body.id], [first.body.id, first.body.id])
  assert.equal(third.headers.get('idempotency-replayed'), 'true')
  assert.equal((await level()).reserved, 2)
  assert.deepEqual(await eventsOf(first.body.id), ['placed'])
  const reused = await place(3, { key: `k-${sku}` })
  assert.deepEqual([reused.status, reused.body.code], [422, 'idempotency_key_reused'])
})

test('while the stock service is away an order is taken, and placed when it is back', async () => {
  const { status, body } = await place(2, { key: `away-${sku}` }, placingAlone)
  assert.deepEqual([status, body.state], [202, 'awaiting_stock'])
  assert.deepEqual(await eventsOf(body.id), [])
  assert.equal(await reserving.tick(), 204)
  assert.equal((await read(body.id)).state, 'placed')
  assert.equal((await level()).reserved, 2)
  assert.deepEqual(await eventsOf(body.id), ['placed'])
  assert.equal(await reserving.tick(), 204)
  assert.deepEqual(await eventsOf(body.id), ['placed'])
})

test('an order that was taken blindly and turns out short is rejected', async () => {
  const { body } = await place(11, {}, placingAlone)
  assert.equal(await reserving.tick(), 204)
  const order = await read(body.id)
  assert.deepEqual([order.state, order.reason], ['rejected', 'insufficient_stock'])
  assert.equal((await cancel(body.id)).body.code, 'order_not_cancellable')
})

test('a paid order is confirmed and its stock leaves the shelf, however often it is told', async () => {
  const { body } = await place(2)
  const id = randomUUID()
  assert.deepEqual(await Promise.all([paid(body.id, id), paid(body.id, id)]), [204, 204])
  assert.equal(await paid(body.id, id), 204)
  assert.equal((await read(body.id)).state, 'confirmed')
  const { onHand, reserved } = await level()
  assert.deepEqual([onHand, reserved], [8, 0])
  assert.deepEqual(await eventsOf(body.id), ['placed', 'confirmed'])
})

test('an order whose payment is declined is cancelled', async () => {
  const { body } = await place(2)
  assert.equal(await declined(body.id), 204)
  const order = await read(body.id)
  assert.deepEqual([order.state, order.reason], ['cancelled', 'payment_declined'])
  assert.deepEqual(await eventsOf(body.id), ['placed', 'cancelled'])
})

test('an order can be cancelled before its payment, and the payment then changes nothing', async () => {
  const { body } = await place(2)
  const answer = await cancel(body.id, { body: { reason: 'changed my mind' }, key: `c-${sku}` })
  assert.deepEqual([answer.status, answer.body.state, answer.body.reason], [200, 'cancelled', 'changed my mind'])
  const again = await cancel(body.id, { body: { reason: 'changed my mind' }, key: `c-${sku}` })
  assert.equal(again.headers.get('idempotency-replayed'), 'true')
  assert.equal((await cancel(body.id)).status, 200, 'done already')
  assert.equal(await paid(body.id), 204)
  assert.equal((await read(body.id)).state, 'cancelled')
  assert.deepEqual(await eventsOf(body.id), ['placed', 'cancelled'])
})

test('an order can be cancelled after its payment, with the event that brings stock and money back', async () => {
  const { body } = await place(2)
  await paid(body.id)
  assert.equal((await cancel(body.id)).body.state, 'cancelled')
  assert.deepEqual(await eventsOf(body.id), ['placed', 'confirmed', 'cancelled'])
  assert.equal((await cancel(randomUUID())).status, 404)
})

test('a payment for stock that is not held any more cancels the order', async () => {
  const { body } = await place(2)
  const [row] = await sql<{ id: string }[]>`select reservation_id as id from orders where id = ${body.id}`
  await inventory.request(`POST /v1/reservations/${row?.id}/release`, { body: {} })
  assert.equal(await paid(body.id), 204)
  const order = await read(body.id)
  assert.deepEqual([order.state, order.reason], ['cancelled', 'reservation_not_open'])
})

test('a payment of an order that is not known is a permanent fault', async () => {
  assert.equal(await paid(randomUUID()), 422)
})

test('an order of a thousand lines comes back in the order of its lines', async () => {
  const names = Array.from({ length: 1_000 }, (_, index) => `${sku}-${(index * 7_919) % 1_000}`)
  await inventory.request('POST /v1/stock/receipts', { body: { lines: names.map(name => ({ sku: name, quantity: 1 })) } })
  const { status, body } = await placing.request<OrderAnswer>('POST /v1/orders', {
    body: {
      lines: names.map(name => ({ sku: name, quantity: 1, unitPrice: 1 })),
      currency: 'GBP',
      payment: { token: 'tok_visa' },
    },
  })
  assert.equal(status, 201)
  assert.deepEqual(
    (await read(body.id)).lines.map(line => line.sku),
    names,
  )
})

test('orders can be walked newest first and counted by state', async () => {
  const seen: string[] = []
  let cursor = ''
  do {
    const { body } = await reading.request<{ items: { id: string }[]; next: string | null }>(`GET /v1/orders?limit=3${cursor}`)
    seen.push(...body.items.map(({ id }) => id))
    cursor = body.next ? `&cursor=${body.next}` : ''
  } while (cursor)
  assert.equal(new Set(seen).size, seen.length)
  const { body } = await reading.request<{ states: Record<string, number>; final: boolean }>('GET /v1/orders/summary')
  assert.equal(
    Object.values(body.states).reduce((sum, count) => sum + count, 0),
    seen.length,
  )
  const final = (body.states.awaiting_stock ?? 0) + (body.states.placed ?? 0) === 0
  assert.equal(body.final, final)
})

test('a wrong order is refused with its field', async () => {
  const wrong = await placing.request<{ errors: { field: string }[] }>('POST /v1/orders', {
    body: { lines: [{ sku, quantity: 0, unitPrice: 1 }], currency: 'pounds', payment: { token: 'x' } },
  })
  assert.equal(wrong.status, 422)
  assert.deepEqual(wrong.body.errors.map(({ field }) => field).sort(), ['currency', 'lines[0].quantity'])
})
