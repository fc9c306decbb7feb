import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { beforeEach, test } from 'node:test'
import { ownDatabase } from '../../test/own-database.ts'
import { alertsDue } from './due.ts'
import { evaluateAlerts } from './evaluate.ts'
import { followCounts } from './follow-counts.ts'
import { setThresholds } from './set-thresholds.ts'

const { inventory } = await import('../inventory/inventory.ts')

const { sql, start } = await ownDatabase('alerts')
const [evaluation, thresholds, following, due] = await Promise.all([
  start(evaluateAlerts),
  start(setThresholds),
  start(followCounts),
  start(alertsDue),
])
const warehouse = await ownDatabase('inventory')
const stock = await warehouse.start(inventory)

/** A place of its own for each test. */
let location: string
let number = 0
beforeEach(async () => {
  location = `place-${++number}`
  await thresholds.request('PUT /v1/thresholds', {
    body: { thresholds: ['AA-1', 'AB-1', 'NEW'].map(sku => ({ sku, location, level: 10, resolveAbove: 12 })) },
  })
})

let version = 0
async function see(sku: string, available: number): Promise<void> {
  const data = { sku, location, onHand: available, reserved: 0, available, kind: 'sell', reference: null, version: ++version }
  assert.equal(await evaluation.deliver('tidemark.stock.changed.v1', data), 204)
}
const openedAt = () => Date.now() - 1_000
const opened = (countId: string, covers: { skuPrefix?: string; skus?: string[] } = {}) =>
  following.deliver('tidemark.count.opened.v1', {
    ...{ countId, location, skuPrefix: covers.skuPrefix ?? null, skus: covers.skus ?? null, lines: 2, openedAt: openedAt() },
  })
const closed = (countId: string) =>
  following.deliver('tidemark.count.closed.v1', { countId, location, state: 'approved', closedAt: Date.now() - 10 })
const muted = async () =>
  (
    await sql<{ sku: string; muted: string | null }[]>`
      select sku, muted from alert where location = ${location} and state <> 'resolved' order by sku`
  ).map(row => [row.sku, row.muted])
const tellings = async (sku: string) =>
  (
    await sql<{ telling: number }[]>`
      select (data::jsonb -> 'telling')::int as telling from outbox
      where data::jsonb ->> 'location' = ${location} and data::jsonb ->> 'sku' = ${sku} order by id`
  ).map(({ telling }) => telling)

test('while a location is counted its alerts are muted, what stood and what comes; afterwards what still stands is told once', async () => {
  const count = randomUUID()
  await see('AA-1', 5)
  for (let time = 0; time < 2; time++) assert.equal(await opened(count), 204)
  await see('AB-1', 5)
  await see('NEW', 5)
  const cause = `inhibited:count:${count}`
  assert.deepEqual(await muted(), [
    ['AA-1', cause],
    ['AB-1', cause],
    ['NEW', cause],
  ])
  await see('NEW', 20)
  for (let time = 0; time < 2; time++) assert.equal(await closed(count), 204)
  await due.tick()
  assert.deepEqual(await muted(), [
    ['AA-1', null],
    ['AB-1', null],
  ])
  assert.deepEqual(
    [await tellings('AA-1'), await tellings('AB-1')],
    [
      [1, 2, 3],
      [1, 2],
    ],
  )
})

test('a count mutes what it covers: named SKUs, or what begins alike', async () => {
  const [named, alike] = [randomUUID(), randomUUID()]
  await opened(named, { skus: ['NEW', 'OTHER'] })
  await opened(alike, { skuPrefix: 'AA' })
  for (const sku of ['AA-1', 'AB-1', 'NEW']) await see(sku, 5)
  assert.deepEqual(await muted(), [
    ['AA-1', `inhibited:count:${alike}`],
    ['AB-1', null],
    ['NEW', `inhibited:count:${named}`],
  ])
  await Promise.all([closed(named), closed(alike)])
})

test('a count whose end comes before its beginning, or whose beginning comes again late, mutes nothing', async () => {
  const count = randomUUID()
  await closed(count)
  await opened(count)
  await see('AA-1', 5)
  assert.deepEqual(await muted(), [['AA-1', null]])
  assert.deepEqual(await tellings('AA-1'), [1])
})

test('a count that nobody closes does not hide for ever that a shelf is low', async () => {
  await opened(randomUUID())
  await see('AA-1', 5)
  await sql`update inhibition set ends_at = now() where location = ${location}`
  await due.tick()
  assert.deepEqual([await muted(), await tellings('AA-1')], [[['AA-1', null]], [1, 2]])
})

test('the inventory says what a count covers', async () => {
  await stock.request('POST /v1/stock/receipts', { body: { lines: [{ sku: 'AA-1', location, quantity: 10 }] } })
  const open = async (body: object) => {
    const { status, body: count } = await stock.request<{ id: string }>('POST /v1/counts', { body: { location, ...body } })
    assert.equal(status, 201)
    const [row] = await warehouse.sql<{ data: { skus: string[] | null; skuPrefix: string | null } }[]>`
      select data::jsonb as data from outbox where type = 'tidemark.count.opened.v1' and data::jsonb ->> 'countId' = ${count.id}`
    await stock.request(`POST /v1/counts/${count.id}/cancel`, { body: {} })
    return [row?.data.skus, row?.data.skuPrefix]
  }
  assert.deepEqual(await open({}), [null, null])
  assert.deepEqual(await open({ skuPrefix: 'aa' }), [null, 'AA'])
  assert.deepEqual(await open({ skus: ['aa-1', 'NEW', 'AA-1'] }), [['AA-1', 'NEW'], null])
})
