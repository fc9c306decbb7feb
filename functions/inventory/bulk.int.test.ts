import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import type { RequestOptions } from '../../test/environment.ts'
import { ownDatabase } from '../../test/own-database.ts'
import { inventory } from './inventory.ts'

const { sql, start } = await ownDatabase('inventory')
const running = await start(inventory, { DATABASE_POOL: '4' })
/** Room for very few commands, so that a test can fill it. */
const narrow = await start(inventory, { DATABASE_POOL: '4', STOCK_MAX_WAITING: '40', STOCK_MAX_BATCH: '4', STOCK_WRITERS: '1' })

interface Result {
  index: number
  status: number
  replayed?: boolean
  body?: { onHand?: number; state?: string; levels?: { sku: string; onHand: number }[] }
  problem?: { code: string; detail?: string; errors?: { field: string }[] }
}
interface Bulk {
  results: Result[]
  succeeded: number
  rejected: number
  failed: number
  code: string
}

let sku: string
let number = 0
beforeEach(() => {
  sku = `BULK-${++number}`
})

const send = (rows: unknown[], options: RequestOptions = {}, instance = running) =>
  instance.request<Bulk>('POST /v1/stock/bulk', { body: { rows }, ...options })
const onHand = async (of = sku) => {
  const { body } = await running.request<{ onHand: number }>(`GET /v1/stock/${of}/main`)
  return body.onHand
}
const receipt = (quantity: number, more: object = {}) => ({ kind: 'receive', sku, quantity, ...more })

test('each row is done or refused for itself, in the order of the list', async () => {
  await send([receipt(10)])
  const { status, body } = await send([
    { kind: 'adjust', sku, delta: -2, reason: 'damage' },
    { kind: 'adjust', sku: `${sku}-B`, delta: -1, reason: 'loss' },
    { kind: 'set', sku: `${sku}-C`, onHand: 7, ifMatch: 0 },
    { kind: 'set', sku: `${sku}-D`, onHand: 7, ifMatch: 9 },
    { kind: 'reserve', lines: [{ sku, quantity: 3 }], ttl: 60 },
  ])
  assert.equal(status, 200)
  assert.deepEqual(
    body.results.map(result => [result.index, result.status, result.problem?.code]),
    [
      [0, 200, undefined],
      [1, 409, 'insufficient_stock'],
      [2, 200, undefined],
      [3, 412, 'version_mismatch'],
      [4, 201, undefined],
    ],
  )
  assert.deepEqual([body.succeeded, body.rejected, body.failed], [3, 2, 0])
  assert.equal(body.results[4]?.body?.state, 'open')
  assert.deepEqual([await onHand(), await onHand(`${sku}-C`)], [8, 7])
})

test('a row of a wrong shape is told its own field and stops no other', async () => {
  const { body } = await send([
    receipt(0),
    { kind: 'give', sku },
    receipt(1, { colour: 'red' }),
    { kind: 'set', sku, onHand: 1 },
    { kind: 'adjust', sku, delta: 1, reason: 'boredom' },
    'text',
    null,
    { kind: 'receive', lines: [{ sku, quantity: 1 }] },
    { kind: 'reserve', lines: [{ sku, quantity: -1 }] },
    receipt(1, { key: 'with space' }),
    receipt(4),
  ])
  assert.deepEqual(
    body.results.slice(0, -1).map(result => [result.status, result.problem?.errors?.[0]?.field]),
    [
      [422, 'quantity'],
      [422, 'kind'],
      [422, 'colour'],
      [422, 'ifMatch'],
      [422, 'reason'],
      [422, ''],
      [422, ''],
      [422, 'lines'],
      [422, 'lines[0].quantity'],
      [422, 'key'],
    ],
  )
  assert.match(body.results[0]?.problem?.detail ?? '', /^quantity: /)
  assert.equal(await onHand(), 4)
})

test('what is no list of one to a thousand rows is refused as a whole', async () => {
  assert.equal((await send([])).status, 422)
  assert.equal((await send(Array(1_001).fill(receipt(1)))).status, 422)
  assert.equal((await running.request('POST /v1/stock/bulk', { body: { rows: 'many' } })).status, 422)
  assert.equal((await send([receipt(1)], { scopes: ['stock:read'] })).status, 403)
})

test('a repetition is answered row by row, and does what is missing alone', async () => {
  const key = `repeat-${sku}`
  const rows = [receipt(1), receipt(2), { kind: 'adjust', sku: `${sku}-NONE`, delta: -1, reason: 'loss' }]
  // The call that broke off after its second row.
  const first = await send(rows.slice(0, 2), { key })
  const second = await send(rows, { key })
  const third = await send(rows, { key })
  assert.deepEqual(
    second.body.results.map(({ status, replayed }) => [status, replayed]),
    [
      [201, true],
      [201, true],
      [409, undefined],
    ],
  )
  assert.deepEqual(third.body.results[0]?.body, first.body.results[0]?.body)
  assert.deepEqual(
    third.body.results.map(({ status }) => status),
    [201, 201, 409],
  )
  assert.equal(await onHand(), 3)
})

test('a key of its own makes a row safe wherever it stands, and belongs to one content', async () => {
  const key = `own-${sku}`
  await send([receipt(1, { key: 'a' }), receipt(1, { key: '1' })], { key })
  // The second row has no key: its index is not the key that another row was given.
  const { body } = await send([receipt(1, { key: '1' }), receipt(1), receipt(5, { key: 'a' })], { key })
  assert.deepEqual(
    body.results.map(({ status, replayed, problem }) => [status, replayed, problem?.code]),
    [
      [201, true, undefined],
      [201, undefined, undefined],
      [422, undefined, 'idempotency_key_reused'],
    ],
  )
  assert.equal(await onHand(), 3)
  const alone = [receipt(1, { key: `alone-${sku}` })]
  await send(alone)
  assert.equal((await send(alone)).body.results[0]?.replayed, true)
})

test('bulk calls leave room in the queue: single sales are not refused meanwhile', async () => {
  const rows = Array.from({ length: 150 }, (_, index) => ({ kind: 'receive', sku: `${sku}-${index % 50}`, quantity: 1 }))
  let over = false
  const bulks = Promise.all([send(rows, {}, narrow), send(rows, {}, narrow), send(rows, {}, narrow)]).finally(() => {
    over = true
  })
  const statuses: number[] = []
  while (!over) {
    const sale = { lines: [{ sku: `${sku}-SOLD`, quantity: 1 }] }
    const answers = await Promise.all(Array.from({ length: 10 }, () => narrow.request('POST /v1/stock/receipts', { body: sale })))
    statuses.push(...answers.map(({ status }) => status))
  }
  const results = (await bulks).map(({ body }) => body)
  assert.ok(statuses.length >= 20, 'sales were made while the bulk calls ran')
  assert.deepEqual([...new Set(statuses)], [201])
  assert.deepEqual(
    results.map(({ succeeded }) => succeeded),
    [150, 150, 150],
  )
})

test('rows that the ledger cannot take say so and are done by a repetition, none twice', async () => {
  const key = `crash-${sku}`
  const rows = Array.from({ length: 600 }, (_, index) => ({ kind: 'receive', sku: `${sku}-${index % 7}`, quantity: 1 }))
  const killing = (async () => {
    for (let round = 0; round < 3; round++) {
      await new Promise(resolve => setTimeout(resolve, 15))
      await sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = 'inventory' and pid <> pg_backend_pid()`
    }
  })()
  let answer = await send(rows, { key }, narrow)
  await killing
  assert.ok(answer.body.failed > 0, 'some rows met a lost connection')
  assert.ok(answer.body.results.every(({ status }) => status === 201 || status === 503))
  for (let round = 0; round < 5 && answer.body.failed > 0; round++) answer = await send(rows, { key }, narrow)
  assert.equal(answer.body.succeeded, 600)
  const [sum] = await sql<{ units: number }[]>`select sum(on_hand)::int as units from stock where sku like ${`${sku}-%`}`
  assert.equal(sum?.units, 600)
})
