import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ownDatabase } from '../../test/own-database.ts'
import { inventory } from './inventory.ts'
import { walkLimit } from './walk.ts'

const { sql, start } = await ownDatabase('inventory')
const stock = await start(inventory)
// Movements of ten SKUs at three places, several at the same moment, as batches make them.
await sql`
  insert into movement (sku, location, version, kind, on_hand_delta, reserved_delta, reason, reference, actor, at)
  select 'H-' || n % 10, 'place-' || n / 10 % 3, n / 30 + 1, case n % 5 when 0 then 'receive' else 'reserve' end, 1, 0, 'delivery',
         case when n % 4 = 0 then 'ORDER-' || n / 20 end, 'actor-' || n % 7,
         timestamptz '2020-03-01T00:00:00Z' + n / 6 * interval '1 minute' + interval '7 microseconds'
  from generate_series(0, 599) n`

interface Movement {
  sku: string
  location: string
  version: number
  kind: string
  onHandDelta: number
  reservedDelta: number
  reason: string | null
  reference: string | null
  actor: string
  at: string
}
interface Page {
  items: (Movement & { onHandAfter?: number; reservedAfter?: number })[]
  next: string | null
}

const page = async (query: string): Promise<Page> => {
  const { status, body } = await stock.request<Page>(`GET /v1/stock/movements?${query}`)
  assert.equal(status, 200, JSON.stringify(body))
  return body
}

/** All pages, and how many there were. */
async function walk(query: string): Promise<{ items: Movement[]; pages: number }> {
  const items: Movement[] = []
  let cursor = ''
  let pages = 0
  do {
    const { items: more, next } = await page(`${query}${cursor}`)
    items.push(...more)
    cursor = next ? `&cursor=${next}` : ''
    assert.ok(++pages < 100)
  } while (cursor)
  return { items, pages }
}

const named = ({ sku, location, version }: Movement) => `${sku}/${location}/${version}`

test('what happened to stock is told newest first, with who, why and the version after it', async () => {
  await stock.request('POST /v1/stock/receipts', {
    body: { lines: [{ sku: 'new', quantity: 7 }], reference: 'DELIVERY-1' },
  })
  await stock.request('POST /v1/reservations', { body: { lines: [{ sku: 'NEW', quantity: 2 }], reference: 'ORDER-NEW' } })
  const { items, next } = await page('sku=new&location=main')
  assert.equal(next, null)
  const [reserved, received] = items as [Movement, Movement]
  assert.deepEqual(
    [reserved.version, reserved.kind, reserved.onHandDelta, reserved.reservedDelta, reserved.reference],
    [2, 'reserve', 0, 2, 'ORDER-NEW'],
  )
  assert.deepEqual([received.version, received.kind, received.onHandDelta, received.reference], [1, 'receive', 7, 'DELIVERY-1'])
  assert.ok(received.reason && received.actor && Date.parse(received.at) <= Date.parse(reserved.at))
  assert.equal((await page('')).items[0]?.sku, 'NEW', 'the newest of all comes first')
})

test('the history of a row tells what was there after each movement, page after page while it goes on', async () => {
  const receive = (quantity: number) => stock.request('POST /v1/stock/receipts', { body: { lines: [{ sku: 'SUMS', quantity }] } })
  for (const quantity of [7, 1, 2]) await receive(quantity)
  const { body } = await stock.request<{ id: string }>('POST /v1/reservations', {
    body: { lines: [{ sku: 'SUMS', quantity: 4 }] },
  })
  await stock.request(`POST /v1/reservations/${body.id}/commit`, { body: { lines: [{ sku: 'SUMS', quantity: 3 }] } })
  const told = ({ items }: Page) => items.map(({ version, onHandAfter, reservedAfter }) => [version, onHandAfter, reservedAfter])
  const first = await page('sku=SUMS&location=main&limit=2')
  await receive(100)
  const second = await page(`sku=SUMS&location=main&limit=2&cursor=${first.next}`)
  const third = await page(`sku=SUMS&location=main&limit=2&cursor=${second.next}`)
  assert.deepEqual([first, second, third].map(told), [
    [
      [5, 7, 1],
      [4, 10, 4],
    ],
    [
      [3, 10, 0],
      [2, 8, 0],
    ],
    [[1, 7, 0]],
  ])
  assert.deepEqual(told(await page('sku=SUMS&location=main&limit=1')), [[6, 107, 1]])
  assert.deepEqual(told(await page(`sku=SUMS&location=main&limit=1&cursor=${third.next ?? second.next}`)), [[1, 7, 0]])
  for (const other of ['sku=SUMS', 'sku=SUMS&location=main&kind=receive', 'sku=SUMS&location=main&from=2020-01-01T00:00:00Z']) {
    assert.equal((await page(other)).items[0]?.onHandAfter, undefined, `${other} leaves movements out`)
  }
})

test('movements of one kind are found by its name', async () => {
  const { items } = await page('sku=SUMS&kind=commit')
  assert.deepEqual(
    items.map(({ kind, version }) => [kind, version]),
    [['commit', 5]],
  )
})

test('whatever is asked for, page by page comes all of it once and in order', async () => {
  const all = (await sql<(Movement & { micros: string })[]>`
    select sku, location, version::int, kind, reference, actor, at::text as micros from movement where sku like 'H-%'
    order by movement.at desc, sku desc, location desc, version desc`) as unknown as (Movement & { micros: string })[]
  const noon = '2020-03-01T01:00:00Z'
  const cases: [string, (movement: Movement & { micros: string }) => boolean][] = [
    ['sku=h-3', ({ sku }) => sku === 'H-3'],
    ['sku=H-3&location=place-1', ({ sku, location }) => sku === 'H-3' && location === 'place-1'],
    ['location=place-2', ({ location }) => location === 'place-2'],
    ['reference=ORDER-5', ({ reference }) => reference === 'ORDER-5'],
    ['reference=ORDER-5&sku=H-8', ({ reference, sku }) => reference === 'ORDER-5' && sku === 'H-8'],
    ['sku=H-5&kind=receive', ({ sku, kind }) => sku === 'H-5' && kind === 'receive'],
    ['location=place-0&actor=actor-3', ({ location, actor }) => location === 'place-0' && actor === 'actor-3'],
    [`sku=H-3&from=${noon}`, ({ sku, micros }) => sku === 'H-3' && micros >= '2020-03-01 01:00'],
    [
      `sku=H-3&location=place-0&to=${noon}`,
      ({ sku, location, micros }) => sku === 'H-3' && location === 'place-0' && micros < '2020-03-01 01:00',
    ],
    [
      `location=place-1&from=2020-03-01T00:30:00Z&to=${noon}`,
      ({ location, micros }) => location === 'place-1' && micros >= '2020-03-01 00:30' && micros < '2020-03-01 01:00',
    ],
    [`from=2020-03-01T00:30:00Z&to=${noon}`, ({ micros }) => micros >= '2020-03-01 00:30' && micros < '2020-03-01 01:00'],
  ]
  for (const [query, isWanted] of cases) {
    const wanted = all.filter(isWanted).map(named)
    assert.ok(wanted.length > 0, query)
    const { items } = await walk(`${query}&limit=7`)
    assert.deepEqual(items.map(named), wanted, query)
  }
})

test('what only few movements match is found beyond the rows that one page looks at', async () => {
  await sql`
    insert into movement (sku, location, version, kind, on_hand_delta, reserved_delta, actor, at)
    select 'LONG', 'deep', n, case n when 1 then 'return' else 'reserve' end, 1, 0, 'x',
           timestamptz '2019-01-01T00:00:00Z' + n * interval '1 second'
    from generate_series(1, ${walkLimit + 500}) n`
  const first = await page('location=deep&kind=return')
  assert.deepEqual([first.items.length, first.next !== null], [0, true])
  const { items, pages } = await walk('location=deep&kind=return')
  assert.deepEqual([items.map(({ version }) => version), pages], [[1], 2])
  const place = await walk('sku=LONG&location=deep&kind=return')
  assert.deepEqual([place.items.map(({ version }) => version), place.pages], [[1], 2])
})

test('a cursor that was made up, a kind that is none and a time that is none are refused by name', async () => {
  for (const [query, field] of [
    ['cursor=abc', 'cursor'],
    [`cursor=${Buffer.from('["1","A","b","x"]').toString('base64url')}`, 'cursor'],
    ['kind=steal', 'kind'],
    ['kind=extend', 'kind'],
    ['from=yesterday', 'from'],
    ['limit=1001', 'limit'],
    ['colour=red', 'colour'],
  ]) {
    const { status, body } = await stock.request<{ errors: { field: string }[] }>(`GET /v1/stock/movements?${query}`)
    assert.deepEqual([status, body.errors[0]?.field], [422, field])
  }
})
