import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ownDatabase } from '../../test/own-database.ts'
import { inventory } from './inventory.ts'
import { walkLimit } from './walk.ts'

const { sql, start } = await ownDatabase('inventory')
const stock = await start(inventory)
await sql`
  insert into stock (sku, location, on_hand, reserved, safety_stock, version)
  select sku, location, on_hand, reserved, safety_stock, 1
  from (values ('AB-1', 'east', 10, 0, 0), ('AB-1', 'west', 5, 1, 4), ('AB-2', 'west', 3, 2, 0), ('ABC', 'east', 0, 0, 0),
               ('AC-1', 'west', 9, 0, 2), ('B', 'east', 20, 0, 0)) as given (sku, location, on_hand, reserved, safety_stock)`

interface Level {
  sku: string
  location: string
  onHand: number
  available: number
}

async function walk(query: string): Promise<{ found: string[]; pages: number }> {
  const found: string[] = []
  let cursor = ''
  let pages = 0
  do {
    const { status, body } = await stock.request<{ items: Level[]; next: string | null }>(`GET /v1/stock?${query}${cursor}`)
    assert.equal(status, 200, JSON.stringify(body))
    found.push(...body.items.map(({ sku, location }) => `${sku} ${location}`))
    cursor = body.next ? `&cursor=${body.next}` : ''
    assert.ok(++pages < 100)
  } while (cursor)
  return { found, pages }
}

test('stock is listed by place, and searched by what the SKU begins with in either case', async () => {
  const east = ['AB-1 east', 'ABC east', 'B east']
  const west = ['AB-1 west', 'AB-2 west', 'AC-1 west']
  for (const limit of [1, 2, 100]) {
    assert.deepEqual((await walk(`limit=${limit}`)).found, [...east, ...west])
    assert.deepEqual((await walk(`location=west&limit=${limit}`)).found, west)
    assert.deepEqual((await walk(`q=ab&limit=${limit}`)).found, ['AB-1 east', 'AB-1 west', 'AB-2 west', 'ABC east'])
    assert.deepEqual((await walk(`q=ab-&location=west&limit=${limit}`)).found, ['AB-1 west', 'AB-2 west'])
    assert.deepEqual((await walk(`sku=b,ac-1&limit=${limit}`)).found, ['B east', 'AC-1 west'])
  }
  assert.deepEqual((await walk('q=abcd')).found, [])
})

test('low is what has nothing left beyond its safety stock, or less than what is asked for', async () => {
  assert.deepEqual((await walk('low=true&limit=1')).found, ['ABC east', 'AB-1 west'])
  assert.deepEqual((await walk('low=false&location=west')).found.length, 3)
  assert.deepEqual((await walk('below=2&location=west')).found, ['AB-1 west', 'AB-2 west'])
  assert.deepEqual((await walk('below=8&q=a&limit=2')).found, ['AB-1 west', 'AB-2 west', 'ABC east', 'AC-1 west'])
})

test('what is low is found beyond the rows that one page looks at', async () => {
  await sql`insert into stock (sku, location, on_hand) select 'Z-' || lpad(n::text, 6, '0'), 'huge', 5 from generate_series(1, ${walkLimit + 50}) n`
  await sql`update stock set on_hand = 0 where sku = ${`Z-${String(walkLimit + 40).padStart(6, '0')}`}`
  assert.deepEqual(await walk('low=true&location=huge'), {
    found: [`Z-${String(walkLimit + 40).padStart(6, '0')} huge`],
    pages: 2,
  })
})

test('a cursor goes on with the order it was made for and with no other', async () => {
  const { body } = await stock.request<{ next: string }>('GET /v1/stock?q=ab&limit=1')
  const other = await stock.request<{ code: string }>(`GET /v1/stock?limit=1&cursor=${body.next}`)
  assert.deepEqual([other.status, other.body.code], [422, 'invalid_input'])
})

test('a SKU is read everywhere with its sums, and one called like a path of ours is a SKU all the same', async () => {
  const { status, body } = await stock.request<{ onHand: number; reserved: number; available: number; levels: Level[] }>(
    'GET /v1/stock/ab-1',
  )
  assert.equal(status, 200)
  assert.deepEqual([body.onHand, body.reserved, body.available], [15, 1, 10])
  assert.deepEqual(
    body.levels.map(({ location, available }) => [location, available]),
    [
      ['east', 10],
      ['west', 0],
    ],
  )
  assert.equal((await stock.request('GET /v1/stock/NEVER')).status, 404)
  await stock.request('POST /v1/stock/receipts', { body: { lines: [{ sku: 'MOVEMENTS', quantity: 1 }] } })
  assert.equal((await stock.request<Level>('GET /v1/stock/movements/main')).body.onHand, 1)
})
