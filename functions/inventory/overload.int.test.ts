import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import type { Answered } from '../../test/environment.ts'
import { ownDatabase } from '../../test/own-database.ts'
import { inventory } from './inventory.ts'

interface Body {
  code: string
  id: string
}

const { sql, start } = await ownDatabase('inventory')
const running = await start(inventory, {
  DATABASE_POOL: '2',
  STOCK_WRITERS: '1',
  STOCK_MAX_BATCH: '4',
  STOCK_MAX_WAITING: '20',
  STOCK_MAX_DELAY: '100',
})

let sku: string
let number = 0
beforeEach(async () => {
  sku = `SKU-${++number}`
  const { status } = await running.request('POST /v1/stock/receipts', { body: { lines: [{ sku, quantity: 1_000 }] } })
  assert.equal(status, 201)
})

const reserve = (key: string, headers: Record<string, string> = {}): Promise<Answered<Body>> =>
  running.request('POST /v1/reservations', { key, headers, body: { lines: [{ sku, quantity: 1 }] } })

async function kept() {
  const [found] = await sql`
    select on_hand, reserved, (select count(*)::int from reservation_line where sku = ${sku}) as reservations
    from stock where sku = ${sku}`
  return { ...found, on_hand: Number(found?.on_hand), reserved: Number(found?.reserved) }
}

/** No transaction that changes the SKU ends until the lock is given back. */
async function locked(): Promise<{ release(): Promise<void> }> {
  const holding = Promise.withResolvers<void>()
  const release = Promise.withResolvers<void>()
  const transaction = sql.begin(async tx => {
    await tx`select 1 from stock where sku = ${sku} for update`
    holding.resolve()
    await release.promise
  })
  await holding.promise
  return {
    async release() {
      release.resolve()
      await transaction
    },
  }
}

test('of more sales at once than it can take, what is answered 201 is kept, what is answered 503 is not, and a repetition gets the rest', async () => {
  const keys = Array.from({ length: 200 }, (_, index) => `${sku}-${index}`)
  const answers = await Promise.all(keys.map(key => reserve(key)))
  const done = answers.filter(({ status }) => status === 201)
  const refused = answers.filter(({ status }) => status === 503)
  assert.equal(done.length + refused.length, keys.length)
  assert.ok(done.length > 0 && refused.length > 0, `${done.length} done, ${refused.length} refused`)
  for (const { headers, body } of refused) {
    assert.equal(headers.get('retry-after'), '1')
    assert.equal(body.code, 'overloaded')
  }
  assert.deepEqual(await kept(), { on_hand: 1_000, reserved: done.length, reservations: done.length })
  for (const key of keys) assert.equal((await reserve(key)).status, 201)
  assert.deepEqual(await kept(), { on_hand: 1_000, reserved: keys.length, reservations: keys.length })
})

test('a sale that nobody waits for any more when its turn comes is not done', async () => {
  const lock = await locked()
  const first = reserve(`${sku}-first`)
  await new Promise(resolve => setTimeout(resolve, 100))
  const hurried = await reserve(`${sku}-hurried`, { 'tidemark-timeout': '150' })
  assert.ok(hurried.status === 503 || hurried.status === 504, `answered ${hurried.status}`)
  await lock.release()
  assert.equal((await first).status, 201)
  assert.equal((await reserve(`${sku}-last`)).status, 201)
  assert.deepEqual(await kept(), { on_hand: 1_000, reserved: 2, reservations: 2 })
})

test('while sales are refused, a promise is kept, levels are shown and the probes are answered', async () => {
  const { body: open } = await reserve(`${sku}-before`)
  const lock = await locked()
  const waiting = Array.from({ length: 14 }, (_, index) => reserve(`${sku}-${index}`))
  await new Promise(resolve => setTimeout(resolve, 150))
  const refused = await reserve(`${sku}-refused`)
  const commit = running.request(`POST /v1/reservations/${open.id}/commit`, { key: `${sku}-commit`, body: {} })
  const level = await running.request(`GET /v1/stock/${sku}/main`)
  const probes = await Promise.all(['liveness', 'readiness'].map(probe => fetch(`${running.url}/health/${probe}`)))
  await lock.release()
  assert.equal(refused.status, 503)
  assert.equal(level.status, 200)
  for (const { status } of probes) assert.equal(status, 200)
  assert.equal((await commit).status, 200)
  const done = (await Promise.all(waiting)).filter(({ status }) => status === 201).length
  assert.ok(done >= 10, `${done} of half a queue`)
  assert.deepEqual(await kept(), { on_hand: 999, reserved: done, reservations: done + 1 })
})
