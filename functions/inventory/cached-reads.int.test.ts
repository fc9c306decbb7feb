import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, beforeEach, test } from 'node:test'
import { openRedis } from '../../shared/data/redis.ts'
import { type RequestOptions, type Started, serviceUrls, until } from '../../test/environment.ts'
import { ownDatabase } from '../../test/own-database.ts'
import { inventory } from './inventory.ts'

const { sql, start } = await ownDatabase('inventory')
const redis = openRedis({ url: serviceUrls().redis, service: 'test' })
after(() => redis.disconnect())
const env = { DATABASE_POOL: '4', STOCK_CACHE_SECONDS: '30', REDIS_URL: serviceUrls().redis }
/** Two instances with one cache, and one whose Redis is away. */
const [one, other, alone] = await Promise.all([
  start(inventory, env),
  start(inventory, env),
  start(inventory, { ...env, REDIS_URL: 'redis://127.0.0.1:1' }),
])

interface Level {
  onHand: number
  available: number
  version: number
  levels: { location: string; version: number }[]
}
let sku: string
beforeEach(() => {
  sku = `CACHED-${randomBytes(6).toString('hex')}`.toUpperCase()
})
const receive = (on: Started, location = 'main') =>
  on.request('POST /v1/stock/receipts', { body: { lines: [{ sku, location, quantity: 1 }] } })
const read = async (on: Started, path = `${sku}/main`, options: RequestOptions = {}) =>
  (await on.request<Level>(`GET /v1/stock/${path}`, options)).body
const looks = async (on: Started, result: string) => {
  const text = await (await fetch(on.metricsUrl)).text()
  return Number(new RegExp(`tidemark_stock_cache_looks_total{result="${result}"[^}]*} (\\d+)`).exec(text)?.[1] ?? 0)
}

test('what an instance has answered to a write it never reads older afterwards', async () => {
  for (let version = 1; version <= 50; version++) {
    await receive(one)
    assert.equal((await read(one)).version, version)
    assert.equal((await read(one, sku)).levels[0]?.version, version)
  }
  await until(
    'another instance reads it too',
    () => read(other),
    level => level.version === 50,
  )
  assert.ok((await looks(one, 'hit')) > 0)
})

test('under writes by two instances each reads its own, and both end with the newest', async () => {
  const own = async (on: Started) => {
    for (let turn = 0; turn < 40; turn++) {
      const { body } = await on.request<{ levels: Level[] }>('POST /v1/stock/receipts', {
        body: { lines: [{ sku, quantity: 1 }] },
      })
      const answered = body.levels[0]?.version as number
      const found = await read(on)
      assert.ok(found.version >= answered, `${found.version} after ${answered}`)
      assert.equal(found.onHand, found.version)
    }
  }
  await Promise.all([own(one), own(other)])
  for (const on of [one, other])
    await until(
      'the newest is read',
      () => read(on),
      level => level.version === 80,
    )
})

test('a level is read from the cache, unless the caller wants it from its source or knows of a newer version', async () => {
  await receive(one)
  await until(
    'it is cached',
    () => redis.hexists(`stock:${sku}`, 'main'),
    found => found === 1,
  )
  // As a crash between commit and cache leaves it.
  await sql`update stock set on_hand = 5, version = 2 where sku = ${sku}`
  assert.equal((await read(other)).version, 1, 'the cache is believed')
  assert.equal((await read(other, `${sku}/main?minVersion=1`)).version, 1)
  assert.equal((await read(other, `${sku}/main?minVersion=2`)).onHand, 5)
  await until(
    'the newer is cached now',
    () => read(other),
    level => level.version === 2,
  )
  await sql`update stock set on_hand = 6, version = 3 where sku = ${sku}`
  assert.equal((await read(other, `${sku}/main`, { headers: { 'cache-control': 'no-cache' } })).version, 3)
})

test('a change of what is available by settings is read like any other', async () => {
  await receive(one)
  await until(
    'it is cached',
    () => read(other),
    level => level.version === 1,
  )
  const { status } = await one.request(`PUT /v1/items/${sku}/main`, {
    body: { safetyStock: 1, backorderLimit: 0, capacity: null },
    headers: { 'if-match': '"0"' },
  })
  assert.ok(status < 300, `${status}`)
  assert.equal((await read(one)).available, 0)
})

test('without Redis everything is read from the database', async () => {
  await receive(alone)
  await receive(alone, 'east')
  assert.equal((await read(alone)).version, 1)
  assert.deepEqual(
    (await read(alone, sku)).levels.map(({ location }) => location),
    ['east', 'main'],
  )
  assert.ok((await looks(alone, 'away')) > 0)
})
