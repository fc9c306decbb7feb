import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ownDatabase } from '../../test/own-database.ts'
import { inventory } from './inventory.ts'
import { restoreStock } from './restore.ts'
import { sweepInventory } from './sweep.ts'

const { sql, start } = await ownDatabase('inventory')
const stock = await start(inventory)
const withStock = { FUNCTION_URL: stock.url.replace('//', '//{name}@') }
const [sweep, restore] = await Promise.all([start(sweepInventory, withStock), start(restoreStock, withStock)])

const ask = (route: string, body: unknown) => stock.request<{ id: string; state: string }>(route, { body })
const reserve = async (sku: string, quantity: number) =>
  (await ask('POST /v1/reservations', { lines: [{ sku, quantity }] })).body.id
const totals = async (sku: string) => {
  const [row] = await sql`select on_hand, reserved from stock where sku = ${sku}`
  return [Number(row?.on_hand), Number(row?.reserved)]
}

test('one round closes all reservations whose time is over, and no others', async () => {
  await ask('POST /v1/stock/receipts', { lines: [{ sku: 'SWEEP', quantity: 200 }] })
  const ids = await Promise.all(Array.from({ length: 151 }, () => reserve('SWEEP', 1)))
  const running = ids.pop() as string
  await sql`update reservation set expires_at = now() - interval '1 second' where id <> ${running}`
  await sweep.tick()
  assert.deepEqual(await totals('SWEEP'), [200, 1])
  const states = await sql`select state, count(*)::int as count from reservation group by state order by state`
  assert.deepEqual(
    states.map(({ state, count }) => [state, count]),
    [
      ['expired', 150],
      ['open', 1],
    ],
  )
})

test('an order that is cancelled gives everything back, also what left the shelf in parts', async () => {
  await ask('POST /v1/stock/receipts', { lines: [{ sku: 'CANCEL', quantity: 9 }] })
  const [part, whole] = [await reserve('CANCEL', 4), await reserve('CANCEL', 3)]
  await ask(`POST /v1/reservations/${part}/commit`, { lines: [{ sku: 'CANCEL', quantity: 1 }] })
  await ask(`POST /v1/reservations/${whole}/commit`, {})
  assert.deepEqual(await totals('CANCEL'), [5, 3])
  for (const reservationId of [part, whole, part]) {
    const orderId = crypto.randomUUID()
    await restore.deliver('tidemark.order.cancelled.v1', { orderId, reservationId, reason: 'changed mind' })
  }
  assert.deepEqual(await totals('CANCEL'), [9, 0])
})
