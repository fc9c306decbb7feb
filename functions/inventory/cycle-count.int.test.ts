import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import type { RequestOptions } from '../../test/environment.ts'
import { ownDatabase } from '../../test/own-database.ts'
import { inventory } from './inventory.ts'

const { sql, start } = await ownDatabase('inventory')
const stock = await start(inventory, { DATABASE_POOL: '4' })

interface Line {
  sku: string
  state: string
  snapshot: { version: number; onHand: number } | null
  counted: number | null
  expected: number | null
  variance: number | null
  detail: string | null
  entries: { counted: number; enteredBy: string }[]
}
interface Body {
  id: string
  code: string
  state: string
  lines: Record<'total' | 'open' | 'entered' | 'refused' | 'approved' | 'skipped' | 'over' | 'short', number>
  items: Line[]
  next: string | null
  complete: boolean
  refused: { sku: string; variance: number; detail: string }[]
  conflicts: { sku: string; count: string }[]
  errors: { field: string }[]
  version: number
}

/** A place of its own for each test. */
let location: string
let number = 0
beforeEach(() => {
  location = `place-${++number}`
})

const ask = (route: string, body?: object, options: RequestOptions = {}) =>
  stock.request<Body>(route, { ...(body && { body }), ...options })
const receive = (sku: string, quantity: number) =>
  ask('POST /v1/stock/receipts', { lines: [{ sku, location, quantity }] }).then(({ status }) => assert.equal(status, 201))
async function reserve(sku: string, quantity: number): Promise<string> {
  const { status, body } = await ask('POST /v1/reservations', { lines: [{ sku, location, quantity }] })
  assert.equal(status, 201)
  return body.id
}
const sell = async (sku: string, quantity: number) =>
  assert.equal((await ask(`POST /v1/reservations/${await reserve(sku, quantity)}/commit`, {})).status, 200)
const open = async (scope: object = {}) => (await ask('POST /v1/counts', { location, ...scope })).body.id
const enter = (id: string, ...lines: { sku: string; counted: number; countedAt?: string; version?: number }[]) =>
  ask(`PUT /v1/counts/${id}/lines`, { lines })
const approve = async (id: string, body: object = {}) => (await ask(`POST /v1/counts/${id}/approve`, body)).body
const linesOf = async (id: string) => (await ask(`GET /v1/counts/${id}`)).body.items
const onHand = async (sku: string) =>
  (await sql<{ units: number }[]>`select on_hand::int as units from stock where sku = ${sku} and location = ${location}`)[0]
    ?.units
const corrections = async () =>
  (
    await sql<{ sku: string; delta: number }[]>`
      select sku, on_hand_delta::int as delta from movement where location = ${location} and kind = 'count' order by sku, version`
  ).map(({ sku, delta }) => [sku, delta])

test('what is sold before and after a line is counted is no variance; what is missing is', async () => {
  await receive('A', 100)
  const id = await open()
  await sell('A', 10)
  // Two units are missing from the shelf: of 90 there are 88.
  const { body } = await enter(id, { sku: 'a', counted: 88 })
  assert.deepEqual(body.lines, [{ sku: 'A', counted: 88, expected: 90, variance: -2 }])
  await sell('A', 20)
  await receive('A', 5)
  const approved = await approve(id)
  assert.deepEqual([approved.state, approved.complete, approved.lines.approved], ['approved', true, 1])
  assert.deepEqual([await onHand('A'), await corrections()], [73, [['A', -2]]])
  const { items } = (await ask(`GET /v1/stock/movements?sku=A&location=${location}&limit=1`)).body as unknown as {
    items: { kind: string; reference: string; reason: string }[]
  }
  assert.deepEqual([items[0]?.kind, items[0]?.reference, items[0]?.reason], ['count', id, 'count'])
})

test('a line may name the moment of its count: by version, or by time', async () => {
  await receive('A', 50)
  await receive('B', 50)
  const id = await open()
  await sell('A', 1)
  await sell('B', 1)
  const [{ at } = { at: new Date() }] = await sql<{ at: Date }[]>`
    select max(at) as at from movement where location = ${location}`
  await sell('A', 7)
  await new Promise(resolve => setTimeout(resolve, 5))
  await sell('B', 7)
  const [{ version } = { version: 0 }] = await sql<{ version: number }[]>`
    select max(version)::int - 4 as version from movement where location = ${location} and sku = 'A'`
  const entered = await enter(
    id,
    { sku: 'A', counted: 50, version: version + 2 },
    { sku: 'B', counted: 50, countedAt: at.toISOString() },
  )
  assert.equal(entered.status, 200)
  assert.deepEqual(
    (await linesOf(id)).map(line => [line.sku, line.expected, line.variance]),
    [
      ['A', 49, 1],
      ['B', 49, 1],
    ],
  )
  const future = await enter(id, { sku: 'A', counted: 1, version: 99 })
  assert.deepEqual([future.status, future.body.errors[0]?.field], [422, 'lines[0].version'])
  const past = await enter(id, { sku: 'A', counted: 1, countedAt: '2020-01-01T00:00:00Z' })
  assert.deepEqual([past.status, past.body.errors[0]?.field], [422, 'lines[0].countedAt'])
  const both = await enter(id, { sku: 'A', counted: 1 }, { sku: 'a', counted: 2 })
  assert.deepEqual([both.status, both.body.errors[0]?.field], [422, 'lines[1].sku'])
  assert.deepEqual((await linesOf(id))[0]?.counted, 50, 'what was refused changed nothing')
})

test('the last figure of a line wins, and all are kept with who entered them', async () => {
  await receive('A', 10)
  const id = await open()
  await enter(id, { sku: 'A', counted: 7 })
  await stock.request(`PUT /v1/counts/${id}/lines`, { body: { lines: [{ sku: 'A', counted: 9 }] }, subject: 'second-counter' })
  const [line] = await linesOf(id)
  assert.deepEqual([line?.counted, line?.variance, line?.entries.map(({ counted }) => counted)], [9, -1, [7, 9]])
  assert.equal(line?.entries[1]?.enteredBy, 'second-counter')
})

test('a count that is approved twice, and at the same time, corrects the stock once', async () => {
  const skus = Array.from({ length: 250 }, (_, item) => `S-${String(item).padStart(3, '0')}`)
  await ask('POST /v1/stock/receipts', { lines: skus.map(sku => ({ sku, location, quantity: 10 })) })
  const id = await open()
  await enter(id, ...skus.map((sku, item) => ({ sku, counted: item === 7 ? 10 : 11 })))
  const [first, second, third] = await Promise.all([approve(id), approve(id), approve(id)])
  for (const answer of [first, second, third]) assert.ok(answer.complete)
  const again = await approve(id)
  assert.deepEqual([again.state, again.lines.approved, again.lines.over], ['approved', 250, 249])
  assert.equal((await corrections()).length, 249, 'one line had no variance')
  const units = await sql<{ units: number }[]>`
    select distinct on_hand::int as units from stock where location = ${location} order by units`
  assert.deepEqual(
    units.map(row => row.units),
    [10, 11],
  )
})

test('an approval that was interrupted after its command corrects nothing a second time', async () => {
  await receive('A', 10)
  await receive('B', 10)
  const id = await open()
  await enter(id, { sku: 'A', counted: 8 }, { sku: 'B', counted: 9 })
  await approve(id)
  // As a process that died before it noted the answer leaves it, so long ago that the command's key is forgotten.
  await sql`update cycle_count set state = 'open', closed_at = null, closed_by = null where id = ${id}`
  await sql`update cycle_count_line set state = 'approving' where count_id = ${id}`
  await sql`delete from idempotency where key like 'count/%'`
  const { state, lines } = await approve(id)
  assert.deepEqual([state, lines.approved, await onHand('A'), await onHand('B')], ['approved', 2, 8, 9])
})

test('units that are promised are not counted away: that line is refused with the reason, the others are approved', async () => {
  await receive('A', 10)
  await receive('B', 10)
  const reservation = await reserve('A', 9)
  const id = await open()
  await enter(id, { sku: 'A', counted: 4 }, { sku: 'B', counted: 12 })
  const { state, lines, refused } = await approve(id)
  assert.deepEqual([state, lines.approved, lines.refused], ['open', 1, 1])
  assert.deepEqual([refused[0]?.sku, refused[0]?.variance], ['A', -6])
  assert.match(refused[0]?.detail ?? '', /promised/)
  assert.deepEqual([await onHand('A'), await onHand('B')], [10, 12])
  await ask(`POST /v1/reservations/${reservation}/release`, {})
  assert.equal((await approve(id)).state, 'approved')
  assert.equal(await onHand('A'), 4)
})

test('a line whose stock somebody corrected after it was counted must be counted again', async () => {
  await receive('A', 10)
  const id = await open()
  await enter(id, { sku: 'A', counted: 8 })
  await ask('POST /v1/stock/adjustments', { lines: [{ sku: 'A', location, delta: -2 }], reason: 'loss' })
  const { refused } = await approve(id)
  assert.match(refused[0]?.detail ?? '', /count it again/)
  assert.equal(await onHand('A'), 8)
  await enter(id, { sku: 'A', counted: 8 })
  assert.equal((await approve(id)).state, 'approved')
  assert.deepEqual([await onHand('A'), await corrections()], [8, []])
})

test('named lines are approved alone; closing leaves the rest as it is, and what is approved cannot be entered again', async () => {
  for (const sku of ['A', 'B', 'C']) await receive(sku, 10)
  const id = await open()
  await enter(id, { sku: 'A', counted: 9 }, { sku: 'B', counted: 9 })
  const some = await approve(id, { skus: ['A'] })
  assert.deepEqual([some.state, some.lines.approved, some.lines.entered, await onHand('B')], ['open', 1, 1, 10])
  const late = await enter(id, { sku: 'A', counted: 3 })
  assert.deepEqual([late.status, late.body.code], [409, 'count_not_open'])
  const closed = await approve(id, { skus: ['A'], close: true })
  assert.deepEqual([closed.state, closed.lines.skipped, await onHand('B')], ['approved', 2, 10])
  assert.equal((await enter(id, { sku: 'B', counted: 3 })).body.code, 'count_not_open')
})

test('a SKU of a location is in one open count: overlapping ones are refused, also at the same time', async () => {
  await receive('AA-1', 1)
  await receive('AB-1', 1)
  const id = await open({ skuPrefix: 'aa' })
  const whole = await ask('POST /v1/counts', { location })
  assert.deepEqual([whole.status, whole.body.code, whole.body.conflicts], [409, 'count_conflict', [{ sku: 'AA-1', count: id }]])
  const other = await open({ skuPrefix: 'AB' })
  assert.equal((await enter(other, { sku: 'AA-1', counted: 1 })).body.errors[0]?.field, 'lines[0].sku', 'outside of its part')
  await ask(`POST /v1/counts/${id}/cancel`, {})
  const both = await Promise.all(Array.from({ length: 5 }, () => ask('POST /v1/counts', { location, skus: ['AA-1', 'NEW'] })))
  assert.deepEqual(both.map(({ status }) => status).sort(), [201, 409, 409, 409, 409])
})

test('units of a SKU that the location did not know get a row, by the same movement as any other', async () => {
  await receive('A', 1)
  const id = await open()
  const { body } = await enter(id, { sku: 'A', counted: 1 }, { sku: 'FOUND', counted: 3 }, { sku: 'ALSO', counted: 2 })
  const found = (body.lines as unknown as Line[])[1]
  assert.deepEqual(found, { sku: 'FOUND', counted: 3, expected: 0, variance: 3 })
  assert.equal(await onHand('FOUND'), undefined, 'what was entered is not approved yet')
  await approve(id, { skus: ['FOUND'] })
  assert.deepEqual([await onHand('FOUND'), await onHand('ALSO'), await corrections()], [3, undefined, [['FOUND', 3]]])
  await receive('ALSO', 5)
  assert.equal((await approve(id)).state, 'approved')
  assert.deepEqual([await onHand('FOUND'), await onHand('ALSO')], [3, 7], 'what came in meanwhile was not counted')
})

test('a SKU that is looked for and not found anywhere gets no row', async () => {
  const id = await open({ skus: ['NOWHERE'] })
  await enter(id, { sku: 'NOWHERE', counted: 0 })
  assert.equal((await approve(id)).state, 'approved')
  assert.deepEqual([await onHand('NOWHERE'), await corrections()], [undefined, []])
})

test('who approves a SKU by its name is told when it was not counted, and nothing is corrected', async () => {
  await receive('A', 10)
  await receive('B', 10)
  const id = await open({ skus: ['A', 'B'] })
  const stranger = await enter(id, { sku: 'A', counted: 9 }, { sku: 'STRANGER', counted: 3 })
  assert.deepEqual([stranger.status, stranger.body.errors[0]?.field], [422, 'lines[1].sku'], 'not in a list that was given')
  await enter(id, { sku: 'A', counted: 9 })
  for (const sku of ['B', 'STRANGER']) {
    const { status, body } = await ask(`POST /v1/counts/${id}/approve`, { skus: ['A', sku] })
    assert.deepEqual([status, body.errors[0]?.field], [422, 'skus[1]'])
  }
  assert.equal(await onHand('A'), 10)
  assert.equal((await approve(id, { skus: ['A'], close: true })).state, 'approved')
  assert.equal((await approve(id, { skus: ['A'], close: true })).state, 'approved', 'a repetition finds it done')
})

test('a blind count tells what is expected only once a line was counted', async () => {
  await receive('A', 10)
  const id = await open({ blind: true })
  assert.equal((await linesOf(id))[0]?.snapshot, null)
  const { body } = await enter(id, { sku: 'A', counted: 9 })
  assert.deepEqual(body.lines, [{ sku: 'A', counted: 9, expected: null, variance: null }])
  assert.equal((await linesOf(id))[0]?.variance, -1)
})

test('a cancelled count corrects nothing and frees its SKUs; doing it again finds it done', async () => {
  await receive('A', 10)
  const id = await open()
  await enter(id, { sku: 'A', counted: 3 })
  const cancelled = await ask(`POST /v1/counts/${id}/cancel`, {})
  assert.deepEqual([cancelled.status, cancelled.body.state], [200, 'cancelled'])
  assert.equal((await ask(`POST /v1/counts/${id}/cancel`, {})).status, 200)
  assert.equal((await ask(`POST /v1/counts/${id}/approve`, {})).body.code, 'count_not_open')
  assert.equal(await onHand('A'), 10)
  assert.equal((await ask('POST /v1/counts', { location })).status, 201)
})

test('counts and their lines are listed page by page', async () => {
  for (const sku of ['A', 'B', 'C']) await receive(sku, 1)
  const first = await open({ skus: ['A'] })
  const second = await open({ skus: ['B', 'C'] })
  const page = await ask(`GET /v1/counts?location=${location}&limit=1`)
  const rest = await ask(`GET /v1/counts?location=${location}&limit=1&cursor=${page.body.next}`)
  assert.deepEqual(
    [page.body.items, rest.body.items].map(([item]) => (item as unknown as { id: string }).id),
    [second, first],
  )
  const lines = await ask(`GET /v1/counts/${second}?limit=1`)
  const more = await ask(`GET /v1/counts/${second}?limit=1&cursor=${lines.body.next}`)
  assert.deepEqual([lines.body.items[0]?.sku, more.body.items[0]?.sku, more.body.next], ['B', 'C', null])
  assert.equal((await ask(`GET /v1/counts?state=cancelled&location=${location}`)).body.items.length, 0)
})

test('opening with the same key opens one count, and its beginning and end are events', async () => {
  await receive('A', 1)
  const body = { location }
  const [one, two] = [
    await ask('POST /v1/counts', body, { key: location }),
    await ask('POST /v1/counts', body, { key: location }),
  ]
  assert.deepEqual([two.status, two.body.id], [201, one.body.id])
  await ask(`POST /v1/counts/${one.body.id}/cancel`, {})
  const events = await sql<{ type: string }[]>`select type from outbox where key = ${location} order by id`
  assert.deepEqual(
    events.map(({ type }) => type),
    ['tidemark.count.opened.v1', 'tidemark.count.closed.v1'],
  )
})

test('after all counts the ledger adds up', async () => {
  const { status, body } = await stock.request<{ ok: boolean }>('GET /v1/stock/reconciliation')
  assert.deepEqual([status, body.ok], [200, true], JSON.stringify(body))
})
