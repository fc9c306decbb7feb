import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import type { RequestOptions } from '../../test/environment.ts'
import { ownDatabase } from '../../test/own-database.ts'
import { inventory } from './inventory.ts'

const { sql, start } = await ownDatabase('inventory')
const one = await start(inventory, { DATABASE_POOL: '4' })

interface Body {
  id: string
  state: string
  code: string
  version: number
  priority: number
  capacity: number | null
  safetyStock: number
  reference: string | null
  writeOffReason: string | null
  lines: { sku: string; inTransit: number; received: number; writtenOff: number; cancelled: number; room: number }[]
  items: { id: string; code: string }[]
  errors: { field: string }[]
  next: string | null
}

let sku: string
let number = 0
beforeEach(() => {
  sku = `MOVE-${++number}`
})

const ask = (route: string, body?: unknown, options: RequestOptions = {}) =>
  one.request<Body>(route, { ...(body !== undefined && { body }), ...options })
const match = (etag: string) => ({ headers: { 'if-match': etag } })
const receive = (quantity: number, location = 'main') => ask('POST /v1/stock/receipts', { lines: [{ sku, location, quantity }] })
const send = (quantity: number, more: object = {}) =>
  ask('POST /v1/transfers', { source: 'main', destination: 'shop', lines: [{ sku, quantity }], ...more })
const arrive = (id: string, body: object = {}) => ask(`POST /v1/transfers/${id}/receive`, body)
const onHand = async () => {
  const rows = await sql`select location, on_hand from stock where sku = ${sku}`
  return Object.fromEntries(rows.map(row => [row.location, Number(row.on_hand)]))
}

test('units that are sent are nobody’s until they arrive, all of them or a part', async () => {
  await receive(10)
  const { status, body } = await send(6, { reference: 'TRUCK-1' })
  assert.deepEqual([status, body.state, body.reference, body.lines[0]?.inTransit], [201, 'in_transit', 'TRUCK-1', 6])
  assert.deepEqual(await onHand(), { main: 4 })
  const some = await arrive(body.id, { lines: [{ sku, quantity: 2 }] })
  assert.deepEqual([some.body.state, some.body.lines[0]?.inTransit], ['in_transit', 4])
  assert.deepEqual(await onHand(), { main: 4, shop: 2 })
  assert.equal((await arrive(body.id, { lines: [{ sku, quantity: 5 }] })).body.code, 'exceeds_outstanding')
  assert.equal((await arrive(body.id)).body.state, 'received')
  assert.equal((await arrive(body.id)).status, 200)
  assert.deepEqual(await onHand(), { main: 4, shop: 6 })
  const movements =
    await sql`select kind, location, on_hand_delta from movement where reference = ${body.id} order by at, version`
  assert.deepEqual(
    movements.map(row => [row.kind, row.location, Number(row.on_hand_delta)]),
    [
      ['transfer', 'main', -6],
      ['transfer-receive', 'shop', 2],
      ['transfer-receive', 'shop', 4],
    ],
  )
  assert.equal((await ask(`POST /v1/transfers/${body.id}/cancel`, {})).body.code, 'transfer_not_in_transit')
})

test('what never arrives is written off with a reason', async () => {
  await receive(10)
  const { id } = (await send(6)).body
  assert.equal((await arrive(id, { lines: [] })).body.errors[0]?.field, 'lines')
  const { body } = await arrive(id, { lines: [{ sku, quantity: 5 }], writeOff: 'one broken' })
  assert.deepEqual([body.state, body.writeOffReason], ['received', 'one broken'])
  assert.deepEqual([body.lines[0]?.received, body.lines[0]?.writtenOff, body.lines[0]?.inTransit], [5, 1, 0])
  const lost = (await send(4)).body.id
  assert.equal((await arrive(lost, { lines: [], writeOff: 'stolen' })).body.lines[0]?.writtenOff, 4)
  assert.deepEqual(await onHand(), { main: 0, shop: 5 })
})

test('a transfer that is cancelled gives back what has not arrived', async () => {
  await receive(10)
  const { id } = (await send(6)).body
  await arrive(id, { lines: [{ sku, quantity: 2 }] })
  const cancelled = await ask(`POST /v1/transfers/${id}/cancel`, {})
  assert.deepEqual([cancelled.body.state, cancelled.body.lines[0]?.cancelled], ['cancelled', 4])
  assert.equal((await ask(`POST /v1/transfers/${id}/cancel`, {})).status, 200)
  assert.equal((await arrive(id)).body.code, 'transfer_not_in_transit')
  assert.deepEqual(await onHand(), { main: 8, shop: 2 })
  assert.equal((await ask(`GET /v1/transfers/${id}`)).body.state, 'cancelled')
})

test('what is promised or not there cannot be sent, nor to where it is', async () => {
  await receive(5)
  await ask('POST /v1/reservations', { lines: [{ sku, quantity: 3 }] })
  assert.equal((await send(3)).body.code, 'insufficient_stock')
  assert.equal((await send(1, { destination: 'main' })).body.errors[0]?.field, 'destination')
  assert.equal((await ask('GET /v1/transfers/018f2f1e-7c3a-7b1e-8a55-0b8f6f1f0a01')).status, 404)
})

test('transfers are listed by state and place, the newest first', async () => {
  await receive(10)
  const ids: string[] = []
  for (let turn = 0; turn < 3; turn++) ids.unshift((await send(1, { destination: `list-${number}` })).body.id)
  await ask(`POST /v1/transfers/${ids[1]}/cancel`, {})
  const page = await ask(`GET /v1/transfers?location=list-${number}&limit=2`)
  assert.deepEqual(
    page.body.items.map(({ id }) => id),
    ids.slice(0, 2),
  )
  const rest = await ask(`GET /v1/transfers?location=list-${number}&limit=2&cursor=${page.body.next}`)
  assert.deepEqual([rest.body.items.map(({ id }) => id), rest.body.next], [[ids[2]], null])
  const open = await ask(`GET /v1/transfers?location=list-${number}&state=in_transit`)
  assert.deepEqual(
    open.body.items.map(({ id }) => id),
    [ids[0], ids[2]],
  )
})

test('settings are edited over their own version, which no sale changes', async () => {
  await receive(10)
  const set = (body: object, etag = '"0"') => ask(`PUT /v1/items/${sku}/main`, body, match(etag))
  const first = await set({ safetyStock: 4, capacity: 12 })
  assert.deepEqual([first.status, first.body.version, first.body.capacity], [200, 1, 12])
  await ask('POST /v1/reservations', { lines: [{ sku, quantity: 2 }] })
  const read = await ask(`GET /v1/items/${sku}/main`)
  assert.deepEqual([read.headers.get('etag'), read.body.safetyStock], ['"1"', 4])
  const stale = await set({ safetyStock: 1 })
  assert.deepEqual([stale.status, stale.body.code, stale.body.version], [412, 'version_mismatch', 1])
  assert.equal((await set({ safetyStock: 4, capacity: 12 }, '"1"')).body.version, 1)
  assert.equal((await ask('POST /v1/reservations', { lines: [{ sku, quantity: 5 }] })).status, 409)
  assert.equal((await ask(`PUT /v1/items/${sku}/main`, { safetyStock: 1 })).status, 428)
  const [event] = await sql`select data from outbox where key = ${sku} and data like '%"settings"%'`
  assert.deepEqual(
    [JSON.parse(event?.data).available, JSON.parse(event?.data).version],
    [6, 2],
    'what is available changed, and consumers are told',
  )
})

test('a delivery that has no room is refused with the room there is; a count is not', async () => {
  await ask(`PUT /v1/items/${sku}/main`, { capacity: 10 }, match('"0"'))
  await receive(8)
  const full = await receive(3)
  assert.deepEqual([full.status, full.body.code, full.body.lines[0]?.room], [409, 'capacity_exceeded', 2])
  const count = await ask('POST /v1/stock/adjustments', { lines: [{ sku, delta: 5 }], reason: 'found' })
  assert.equal(count.status, 200)
})

test('a backorder limit that is in use cannot be taken back', async () => {
  const set = (backorderLimit: number, version: number) =>
    ask(`PUT /v1/items/${sku}/main`, { backorderLimit }, match(`"${version}"`))
  assert.equal((await set(5, 0)).status, 200)
  await ask('POST /v1/reservations', { lines: [{ sku, quantity: 3 }] })
  assert.equal((await set(2, 1)).body.code, 'limit_in_use')
  assert.equal((await set(3, 1)).status, 200)
})

test('a location is described over the version that was read, in a time zone that there is', async () => {
  const put = (body: object, etag = '"0"') => ask('PUT /v1/locations/zurich', { name: 'Zurich', ...body }, match(etag))
  assert.equal((await put({ timeZone: 'Mars/Olympus' })).body.errors[0]?.field, 'timeZone')
  assert.equal((await put({ timeZone: '+01:00' })).status, 422)
  const made = await put({ timeZone: 'Europe/Zurich', priority: 5 })
  assert.deepEqual([made.status, made.body.version, made.body.priority], [200, 1, 5])
  assert.deepEqual([(await put({})).status, (await put({})).body.version], [412, 1])
  assert.equal((await put({ active: false }, '"1"')).body.version, 2)
  assert.equal((await ask('GET /v1/locations/zurich')).headers.get('etag'), '"2"')
  assert.equal((await ask('GET /v1/locations/nowhere')).status, 404)
  assert.deepEqual(
    (await ask('GET /v1/locations')).body.items.map(({ code }) => code),
    ['zurich'],
  )
})

test('totals, ledger and what is in transit add up', async () => {
  const wrong = await sql`
    select s.sku, s.location from stock s
    left join (select sku, location, sum(on_hand_delta) h, count(*) n from movement group by 1, 2) m using (sku, location)
    where s.on_hand <> coalesce(m.h, 0) or s.version <> coalesce(m.n, 0)`
  assert.deepEqual([...wrong], [])
  const lost = await sql`
    select t.id from transfer t
    join (select transfer_id, sum(quantity - received - cancelled) units from transfer_line group by 1) l on l.transfer_id = t.id
    join (select reference, -sum(on_hand_delta) units from movement where kind like 'transfer%' group by 1) m on m.reference = t.id::text
    where l.units <> m.units`
  assert.deepEqual([...lost], [])
})
