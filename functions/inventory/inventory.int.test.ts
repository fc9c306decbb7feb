import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import type { SharingEvent } from '../../shared/events/outbox.ts'
import { type RequestOptions, until } from '../../test/environment.ts'
import { ownDatabase } from '../../test/own-database.ts'
import { inventory } from './inventory.ts'

const { sql, start } = await ownDatabase('inventory')
/** Two instances on one database, as Knative runs them under load. */
const [one, other] = await Promise.all([start(inventory, { DATABASE_POOL: '4' }), start(inventory, { DATABASE_POOL: '4' })])

interface Level {
  sku: string
  location: string
  onHand: number
  reserved: number
  available: number
  version: number
}
interface Body extends Level {
  id: string
  state: string
  code: string
  levels: Level[]
  lines: { sku: string; quantity: number }[]
  shortages: { sku: string; requested: number; available: number }[]
  items: Level[]
  next: string | null
  ok: boolean
  expiresAt: string
}

let sku: string
let number = 0
beforeEach(() => {
  sku = `SKU-${++number}`
})

const ask = (route: string, body?: unknown, options: RequestOptions = {}, instance = one) =>
  instance.request<Body>(route, { ...(body !== undefined && { body }), ...options })
const receive = (quantity: number, options?: RequestOptions) =>
  ask('POST /v1/stock/receipts', { lines: [{ sku, quantity }] }, options)
const reserve = (quantity: number, options?: RequestOptions, instance = one) =>
  ask('POST /v1/reservations', { lines: [{ sku, quantity }] }, options, instance)
const close = (id: string, kind: string, options?: RequestOptions) => ask(`POST /v1/reservations/${id}/${kind}`, {}, options)
const level = async () => (await ask(`GET /v1/stock/${sku}/main`)).body
const reconciled = async () => assert.deepEqual((await ask('GET /v1/stock/reconciliation')).body.ok, true)

test('a sale over the counter takes its units once, however often it is sent, and is refused when they are promised', async () => {
  await receive(5)
  await ask('POST /v1/reservations', { lines: [{ sku, quantity: 3 }] })
  const sale = () => ask('POST /v1/stock/sales', { lines: [{ sku, quantity: 2 }], reference: 'TILL-1' }, { key: `sale-${sku}` })
  const [first, second] = [await sale(), await sale()]
  assert.deepEqual([first.status, first.body.levels[0]?.onHand], [201, 3])
  assert.deepEqual([second.status, second.body.levels[0]?.onHand], [201, 3])
  const more = await ask('POST /v1/stock/sales', { lines: [{ sku, quantity: 1 }] })
  assert.deepEqual([more.status, more.body.code, more.body.shortages[0]?.available], [409, 'insufficient_stock', 0])
})

test('what is received is there, under its SKU in upper case', async () => {
  const { status, body } = await ask('POST /v1/stock/receipts', {
    lines: [
      { sku: sku.toLowerCase(), quantity: 3 },
      { sku, quantity: 4 },
    ],
  })
  assert.equal(status, 201)
  assert.deepEqual(body.levels, [{ sku, location: 'main', onHand: 7, reserved: 0, available: 7, version: 1 }])
  const read = await ask(`GET /v1/stock/${sku.toLowerCase()}/main`)
  assert.deepEqual([read.body.onHand, read.headers.get('etag')], [7, '"1"'])
  assert.equal((await ask(`GET /v1/stock/${sku}/elsewhere`)).status, 404)
})

test('an adjustment has a reason, and takes nothing that is promised or not there', async () => {
  await receive(5)
  await reserve(3)
  const adjust = (delta: number, reason = 'damage') => ask('POST /v1/stock/adjustments', { lines: [{ sku, delta }], reason })
  assert.equal((await adjust(-2)).body.levels[0]?.onHand, 3)
  const refused = await adjust(-1)
  assert.deepEqual([refused.status, refused.body.code], [409, 'insufficient_stock'])
  assert.equal((await adjust(1, 'boredom')).status, 422)
  assert.equal((await adjust(0)).status, 422)
})

test('a count is set over the version that was read, and over no other', async () => {
  await receive(5)
  const set = (onHand: number, etag?: string) =>
    ask(`PUT /v1/stock/${sku}/main`, { onHand }, etag === undefined ? {} : { headers: { 'if-match': etag } })
  assert.equal((await set(9)).status, 428)
  const stale = await set(9, '"0"')
  assert.deepEqual([stale.status, stale.body.code, stale.body.version], [412, 'version_mismatch', 1])
  assert.deepEqual((await set(9, '"1"')).body.onHand, 9)
  const same = await set(9, '"2"')
  assert.deepEqual([same.status, same.body.version], [200, 2])
  assert.equal((await set(9, '*')).status, 422)
  await reserve(4)
  assert.equal((await set(3, '"3"')).status, 409)
})

test('a reservation holds all its lines or none, and names every shortage', async () => {
  await receive(2)
  const { status, body } = await reserve(2)
  assert.equal(status, 201)
  const untouched = { outstanding: 2, committed: 0, released: 0, returned: 0 }
  assert.deepEqual([body.state, body.lines], ['open', [{ sku, location: 'main', quantity: 2, ...untouched }]])
  await ask('POST /v1/stock/receipts', { lines: [{ sku: `${sku}-B`, quantity: 5 }] })
  const short = await ask('POST /v1/reservations', {
    lines: [
      { sku: `${sku}-B`, quantity: 1 },
      { sku, quantity: 1 },
      { sku: `${sku}-C`, quantity: 1 },
    ],
  })
  assert.equal(short.status, 409)
  assert.deepEqual(
    short.body.shortages.map(({ sku: name, available }) => [name, available]),
    [
      [sku, 0],
      [`${sku}-C`, 0],
    ],
  )
  assert.equal((await ask(`GET /v1/stock/${sku}-B/main`)).body.reserved, 0)
})

test('a reservation is committed, released or returned, and doing it again finds it done', async () => {
  await receive(10)
  const [committed, released] = [(await reserve(4)).body.id, (await reserve(3)).body.id]
  assert.equal((await close(committed, 'commit')).body.state, 'committed')
  assert.equal((await close(committed, 'commit')).status, 200)
  assert.equal((await close(released, 'release')).body.state, 'released')
  assert.equal((await close(released, 'release')).status, 200)
  assert.equal((await close(released, 'commit')).body.code, 'reservation_not_open')
  assert.deepEqual([(await level()).onHand, (await level()).reserved], [6, 0])
  assert.equal((await close(committed, 'release')).status, 409)
  assert.equal((await close(committed, 'return')).body.state, 'returned')
  assert.equal((await close(committed, 'return')).status, 200)
  assert.deepEqual([(await level()).onHand, (await level()).reserved], [10, 0])
  assert.equal((await close('018f2f1e-7c3a-7b1e-8a55-0b8f6f1f0a01', 'commit')).status, 404)
  assert.equal((await ask(`GET /v1/reservations/${committed}`)).body.state, 'returned')
})

test('a reservation whose time is over gives its stock back and cannot be committed', async () => {
  await receive(2)
  const { body } = await ask('POST /v1/reservations', { lines: [{ sku, quantity: 2 }], ttl: 1 })
  assert.equal((await close(body.id, 'expire')).body.state, 'open', 'not over yet')
  await until(
    'it is over',
    () => ask(`GET /v1/reservations/${body.id}`),
    answer => answer.body.state === 'expired',
  )
  assert.equal((await close(body.id, 'commit')).body.code, 'reservation_expired')
  assert.equal((await close(body.id, 'expire')).body.state, 'expired')
  assert.equal((await level()).available, 2)
  assert.equal((await close(body.id, 'release')).status, 200)
})

test('a repeated key is answered as the first time, refusals too, and another body is refused', async () => {
  const first = await receive(3, { key: `receive-${sku}` })
  const again = await receive(3, { key: `receive-${sku}` })
  assert.deepEqual([again.status, again.body], [first.status, first.body])
  assert.deepEqual([first.headers.get('idempotency-replayed'), again.headers.get('idempotency-replayed')], [null, 'true'])
  assert.equal((await level()).onHand, 3)
  const refused = await reserve(9, { key: `reserve-${sku}` })
  await receive(20)
  const repeated = await reserve(9, { key: `reserve-${sku}` })
  assert.deepEqual([refused.status, repeated.status, repeated.body.shortages], [409, 409, refused.body.shortages])
  const reused = await reserve(1, { key: `reserve-${sku}` })
  assert.deepEqual([reused.status, reused.body.code], [422, 'idempotency_key_reused'])
  assert.equal((await reserve(1, { key: `reserve-${sku}`, client: 'another' })).status, 201, 'keys are counted by client')
})

test('of two instances that are asked the same at once one does it, and both answer the same', async () => {
  await receive(100)
  for (let round = 0; round < 20; round++) {
    const key = `both-${sku}-${round}`
    const [a, b] = await Promise.all([reserve(1, { key }), reserve(1, { key }, other)])
    assert.deepEqual([a.status, b.status, a.body.id], [201, 201, b.body.id])
    const nothing = { lines: [{ sku: `${sku}-NEVER`, quantity: 1 }] }
    const [c, d] = await Promise.all([
      ask('POST /v1/reservations', nothing, { key: `${key}-none` }),
      ask('POST /v1/reservations', nothing, { key: `${key}-none` }, other),
    ])
    assert.deepEqual([c.status, d.status], [409, 409])
  }
  assert.equal((await level()).reserved, 20)
})

test('an order of many lines is all there or not at all: two instances do it once, and a write that fails leaves nothing', async () => {
  const lines = Array.from({ length: 150 }, (_, index) => ({ sku: `${sku}-${index}`, quantity: 2 }))
  await ask('POST /v1/stock/receipts', { lines })
  const order = (instance = one) => ask('POST /v1/reservations', { lines }, { key: `order-${sku}` }, instance)
  const held = async () =>
    (await sql`select sum(reserved)::int as reserved, count(*)::int as rows from stock where sku like ${`${sku}-%`}`)[0]
  const opened = async () =>
    (
      await sql`select count(distinct reservation_id)::int as reservations, count(*)::int as lines from reservation_line
               where sku like ${`${sku}-%`}`
    )[0]
  // The last of the statements that are sent one by one.
  await sql.unsafe(`
    create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$;
    create trigger refuse before insert on outbox for each statement execute function refuse()`)
  assert.equal((await order()).status, 500)
  await sql`drop trigger refuse on outbox`
  assert.deepEqual(
    [await held(), await opened()].map(row => ({ ...row })),
    [
      { reserved: 0, rows: 150 },
      { reservations: 0, lines: 0 },
    ],
  )
  const [first, second] = await Promise.all([order(one), order(other)])
  assert.deepEqual([first?.status, second?.status], [201, 201])
  assert.equal(first?.body.id, second?.body.id)
  assert.deepEqual(
    [await held(), await opened()].map(row => ({ ...row })),
    [
      { reserved: 300, rows: 150 },
      { reservations: 1, lines: 150 },
    ],
  )
})

test('of 200 buyers at once on two instances exactly 100 get one of 100 units', async () => {
  await receive(100)
  const answers = await Promise.all(Array.from({ length: 200 }, (_, index) => reserve(1, {}, index % 2 ? one : other)))
  const count = (status: number) => answers.filter(answer => answer.status === status).length
  assert.deepEqual([count(201), count(409)], [100, 100])
  assert.deepEqual([(await level()).reserved, (await level()).available], [100, 0])
  await reconciled()
})

test('many orders of several lines in any order on two instances never wait for each other in a circle', async () => {
  const skus = ['D', 'A', 'C', 'B'].map(name => `${sku}-${name}`)
  await ask('POST /v1/stock/receipts', { lines: skus.map(name => ({ sku: name, quantity: 1_000 })) })
  const answers = await Promise.all(
    Array.from({ length: 150 }, (_, index) => {
      const lines = [...skus].sort(() => Math.random() - 0.5).map(name => ({ sku: name, quantity: 1 }))
      const route = index % 3 === 0 ? 'POST /v1/stock/receipts' : 'POST /v1/reservations'
      return ask(route, { lines }, {}, index % 2 ? one : other)
    }),
  )
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]))
  await reconciled()
})

/** What an event tells beside the totals: no room was set, and nothing was sold since. */
const told = (since: number) => ({ capacity: null, since, sold: 0 })

test('every change is an event in the transaction that made it', async () => {
  await receive(5, { headers: { traceparent: `00-${'e'.repeat(32)}-${'f'.repeat(16)}-01` } })
  await reserve(2)
  const rows = await sql<{ type: string; key: string; data: string; traceparent: string }[]>`
    select type, key, data, traceparent from outbox where key = ${sku} order by id`
  assert.deepEqual(
    rows.map(row => JSON.parse(row.data)),
    [
      { sku, location: 'main', onHand: 5, reserved: 0, available: 5, version: 1, kind: 'receive', reference: null, ...told(0) },
      { sku, location: 'main', onHand: 5, reserved: 2, available: 3, version: 2, kind: 'reserve', reference: null, ...told(1) },
    ],
  )
  assert.ok(rows[0]?.traceparent.startsWith(`00-${'e'.repeat(32)}-`))
})

test('the changes of one request are events of their own that share rows', async () => {
  const lines = Array.from({ length: 100 }, (_, index) => ({ sku: `${sku}-${index}`, quantity: index + 1 }))
  await ask('POST /v1/stock/receipts', { lines })
  const rows = await sql<{ data: SharingEvent[] }[]>`
    select data::jsonb as data from outbox where key = '' and data like ${`%"${sku}-%`} order by id`
  assert.ok(rows.length < 10, `${rows.length} rows`)
  const events = rows.flatMap(row => row.data)
  assert.equal(new Set(events.map(({ id }) => id)).size, 100)
  assert.deepEqual(
    events.map(({ key, data }) => [key, data]),
    lines.map(({ sku, quantity }) => [
      sku,
      {
        ...{
          sku,
          location: 'main',
          onHand: quantity,
          reserved: 0,
          available: quantity,
          version: 1,
          kind: 'receive',
          reference: null,
        },
        ...told(0),
      },
    ]),
  )
})

test('stock can be walked page by page, and filtered', async () => {
  await ask('POST /v1/stock/receipts', {
    lines: Array.from({ length: 7 }, (_, index) => ({ sku: `${sku}-${index}`, location: 'page', quantity: 1 })),
  })
  const seen: string[] = []
  let cursor = ''
  do {
    const { body } = await ask(`GET /v1/stock?location=page&limit=3${cursor}`)
    seen.push(...body.items.map(item => item.sku))
    cursor = body.next ? `&cursor=${body.next}` : ''
  } while (cursor)
  assert.deepEqual(
    seen,
    Array.from({ length: 7 }, (_, index) => `${sku}-${index}`),
  )
  const some = await ask(`GET /v1/stock?sku=${sku.toLowerCase()}-1,${sku}-5`)
  assert.deepEqual(
    some.body.items.map(item => item.sku),
    [`${sku}-1`, `${sku}-5`],
  )
  assert.equal((await ask('GET /v1/stock?limit=0')).status, 422)
  assert.equal((await ask('GET /v1/stock?cursor=abc')).status, 422)
})

test('a database that drops every connection costs some answers, never a unit and never the process', async () => {
  await receive(10_000)
  let stop = false
  const buyers = Array.from({ length: 8 }, async (_, buyer) => {
    const statuses: number[] = []
    for (let turn = 0; !stop; turn++)
      statuses.push((await reserve(1, { key: `${sku}-${buyer}-${turn}` }, buyer % 2 ? one : other)).status)
    return statuses
  })
  for (let kill = 0; kill < 5; kill++) {
    await new Promise(resolve => setTimeout(resolve, 100))
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'inventory' and datname = current_database()`
  }
  await new Promise(resolve => setTimeout(resolve, 200))
  stop = true
  const statuses = (await Promise.all(buyers)).flat()
  assert.ok(
    statuses.every(status => status === 201 || status === 503),
    `${[...new Set(statuses)]}`,
  )
  assert.equal((await reserve(1)).status, 201)
  await reconciled()
})

test('at the end all the books balance', reconciled)
