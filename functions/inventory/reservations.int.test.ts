import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import type { RequestOptions, Started } from '../../test/environment.ts'
import { ownDatabase } from '../../test/own-database.ts'
import { inventory } from './inventory.ts'

const { sql, start } = await ownDatabase('inventory')
const [one, other] = await Promise.all([start(inventory, { DATABASE_POOL: '4' }), start(inventory, { DATABASE_POOL: '4' })])

interface Line {
  sku: string
  location: string
  quantity: number
  outstanding: number
  committed: number
  released: number
  returned: number
}
interface Body {
  id: string
  state: string
  code: string
  owner: string | null
  expiresAt: string
  lines: Line[]
  missing?: { sku: string; location?: string; quantity: number }[]
  shortages: { sku: string; location?: string; requested: number; available: number }[]
  errors: { field: string }[]
}

let sku: string
let number = 0
beforeEach(() => {
  sku = `PART-${++number}`
})

const ask = (route: string, body?: unknown, options: RequestOptions = {}, instance = one) =>
  instance.request<Body>(route, { ...(body !== undefined && { body }), ...options })
const receive = (quantity: number, location = 'main', name = sku) =>
  ask('POST /v1/stock/receipts', { lines: [{ sku: name, location, quantity }] })
const reserve = (quantity: number, more: object = {}, instance = one) =>
  ask('POST /v1/reservations', { lines: [{ sku, quantity }], ...more }, {}, instance)
const end = (id: string, kind: string, quantity?: number, options?: RequestOptions) =>
  ask(`POST /v1/reservations/${id}/${kind}`, quantity === undefined ? {} : { lines: [{ sku, quantity }] }, options)
const parts = ({ lines: [line] }: Body) => line && [line.outstanding, line.committed, line.released, line.returned]
const totals = async (location = 'main', name = sku) => {
  const [row] = await sql`select on_hand, reserved from stock where sku = ${name} and location = ${location}`
  return [Number(row?.on_hand), Number(row?.reserved)]
}
/** The time of a reservation passes without anybody waiting for it. */
const letExpire = (id: string) => sql`update reservation set expires_at = now() - interval '1 second' where id = ${id}`

/** Totals are what the ledger and the open reservations say, and no version is missing. */
async function balanced() {
  const wrong = await sql`
    select s.sku, s.location from stock s
    left join (select sku, location, sum(on_hand_delta) h, sum(reserved_delta) r, count(*) n from movement group by 1, 2) m using (sku, location)
    left join (select l.sku, l.location, sum(l.quantity - l.committed - l.released) held
               from reservation r join reservation_line l on l.reservation_id = r.id where r.state = 'open' group by 1, 2) o using (sku, location)
    where s.on_hand <> coalesce(m.h, 0) or s.reserved <> coalesce(m.r, 0) or s.version <> coalesce(m.n, 0) or s.reserved <> coalesce(o.held, 0)`
  assert.deepEqual([...wrong], [])
}

test('a reservation is committed and released in parts, and stays open until nothing is left of it', async () => {
  await receive(10)
  const { id } = (await reserve(6)).body
  const first = await end(id, 'commit', 2)
  assert.deepEqual([first.status, first.body.state, parts(first.body)], [200, 'open', [4, 2, 0, 0]])
  assert.deepEqual(await totals(), [8, 4])
  const over = await end(id, 'release', 5)
  assert.deepEqual([over.status, over.body.code], [409, 'exceeds_outstanding'])
  assert.deepEqual(parts((await end(id, 'release', 1)).body), [3, 2, 1, 0])
  const last = await end(id, 'commit')
  assert.deepEqual([last.body.state, parts(last.body)], ['committed', [0, 5, 1, 0]])
  assert.deepEqual(await totals(), [5, 0])
  assert.deepEqual(parts((await ask(`GET /v1/reservations/${id}`)).body), [0, 5, 1, 0])
})

test('a part that is committed again with its key is committed once', async () => {
  await receive(10)
  const { id } = (await reserve(6)).body
  for (let turn = 0; turn < 2; turn++)
    assert.deepEqual(parts((await end(id, 'commit', 2, { key: `part-${sku}` })).body), [4, 2, 0, 0])
  assert.deepEqual(await totals(), [8, 4])
})

test('a whole commit touches no line, and reading tells its parts all the same', async () => {
  await receive(3)
  const { id } = (await reserve(3)).body
  assert.deepEqual(parts((await end(id, 'commit')).body), [0, 3, 0, 0])
  const [line] = await sql`select committed from reservation_line where reservation_id = ${id}`
  assert.equal(Number(line?.committed), 0)
  assert.deepEqual(parts((await ask(`GET /v1/reservations/${id}`)).body), [0, 3, 0, 0])
})

test('what was committed comes back in parts, also when the rest was released', async () => {
  await receive(10)
  const { id } = (await reserve(6)).body
  await end(id, 'commit', 4)
  assert.equal((await end(id, 'release')).body.state, 'released')
  const some = await end(id, 'return', 1)
  assert.deepEqual([some.body.state, parts(some.body)], ['released', [0, 4, 2, 1]])
  assert.equal((await end(id, 'return', 4)).body.code, 'exceeds_outstanding')
  const all = await end(id, 'return')
  assert.deepEqual([all.body.state, parts(all.body)], ['returned', [0, 4, 2, 4]])
  assert.equal((await end(id, 'return')).status, 200)
  assert.deepEqual(await totals(), [10, 0])
})

test('a partial reservation takes what there is, says what is missing, and is refused only when there is nothing', async () => {
  await receive(4)
  const lines = [
    { sku, quantity: 6 },
    { sku: `${sku}-NONE`, quantity: 1 },
  ]
  const { status, body } = await ask('POST /v1/reservations', { lines, partial: true })
  assert.equal(status, 201)
  assert.deepEqual(
    body.lines.map(line => [line.sku, line.quantity]),
    [[sku, 4]],
  )
  assert.deepEqual(body.missing, [
    { sku, quantity: 2, location: 'main' },
    { sku: `${sku}-NONE`, quantity: 1, location: 'main' },
  ])
  const nothing = await ask('POST /v1/reservations', { lines, partial: true })
  assert.deepEqual([nothing.status, nothing.body.shortages.length], [409, 2])
})

test("an owner's older hold of the same SKU gives way, and holds of other SKUs and owners stay", async () => {
  await receive(5)
  await receive(5, 'main', `${sku}-B`)
  const both = [
    { sku, quantity: 4 },
    { sku: `${sku}-B`, quantity: 1 },
  ]
  const owner = `basket-${sku}`
  const first = (await ask('POST /v1/reservations', { lines: both, owner })).body
  const stranger = await reserve(2, { owner: `other-${sku}` })
  assert.equal(stranger.status, 409)
  const second = await reserve(5, { owner })
  assert.deepEqual([second.status, second.body.owner], [201, owner])
  const left = (await ask(`GET /v1/reservations/${first.id}`)).body
  assert.deepEqual([left.state, left.lines.map(line => line.outstanding)], ['open', [0, 1]])
  assert.deepEqual(await totals(), [5, 5])
  const refused = await reserve(6, { owner })
  assert.deepEqual([refused.status, refused.body.shortages[0]?.available], [409, 5])
  assert.deepEqual(await totals(), [5, 5])
})

test('an owner who asks many times at once on two instances is never in the own way', async () => {
  await receive(5)
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, turn) => reserve(5, { owner: `many-${sku}` }, turn % 2 ? one : other)),
  )
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]))
  assert.deepEqual(await totals(), [5, 5])
  const open = await sql`select id from reservation where owner = ${`many-${sku}`} and state = 'open'`
  assert.equal(open.length, 1)
})

test('a hold whose time is over does not block anybody, swept or not, and keeps what nobody asked for until the sweep', async () => {
  await receive(3)
  await receive(3, 'main', `${sku}-B`)
  const lines = [
    { sku, quantity: 3 },
    { sku: `${sku}-B`, quantity: 3 },
  ]
  const { id } = (await ask('POST /v1/reservations', { lines })).body
  assert.equal((await reserve(1)).status, 409)
  await letExpire(id)
  assert.equal((await reserve(3)).status, 201)
  assert.deepEqual(
    [await totals(), await totals('main', `${sku}-B`)],
    [
      [3, 3],
      [3, 3],
    ],
  )
  assert.equal((await end(id, 'commit')).body.code, 'reservation_expired')
  assert.equal((await end(id, 'expire')).body.state, 'expired')
  assert.deepEqual(await totals('main', `${sku}-B`), [3, 0])
  assert.equal((await reserve(1)).status, 409)
})

test('of many who want what lapsed holds keep, on two instances, exactly as many get it as there is', async () => {
  await receive(20)
  const holds = await Promise.all(Array.from({ length: 10 }, () => reserve(2)))
  await Promise.all(holds.map(({ body }) => letExpire(body.id)))
  const wanted = Array.from({ length: 40 }, (_, turn) => reserve(1, {}, turn % 2 ? one : other))
  const swept = holds.map(({ body }) => end(body.id, 'expire'))
  const answers = await Promise.all(wanted)
  await Promise.all(swept)
  const got = answers.filter(({ status }) => status === 201).length
  assert.equal(got + answers.filter(({ status }) => status === 409).length, 40)
  const rest = await reserve(20, { partial: true })
  assert.equal(got + (rest.body.lines?.[0]?.quantity ?? 0), 20)
  assert.deepEqual(await totals(), [20, 20])
})

test('a reservation can be given more time, never less, and none once it is over', async () => {
  await receive(1)
  const { id, expiresAt } = (await reserve(1, { ttl: 60 })).body
  const extend = (ttl: number) => ask(`POST /v1/reservations/${id}/extend`, { ttl })
  const longer = Date.parse((await extend(600)).body.expiresAt)
  assert.ok(longer > Date.parse(expiresAt) + 500_000)
  assert.equal(Date.parse((await extend(1)).body.expiresAt), longer)
  await letExpire(id)
  assert.equal((await extend(600)).body.code, 'reservation_expired')
  await end(id, 'release')
  assert.equal((await extend(600)).body.code, 'reservation_not_open')
})

test('lines without a location are taken where the strategy says, from active locations only', async () => {
  const place = (code: string) => `${code}-${number}`
  const describe = (code: string, priority: number, active = true) =>
    ask(`PUT /v1/locations/${place(code)}`, { name: code, priority, active }, { headers: { 'if-match': '"0"' } })
  await Promise.all([describe('near', 1), describe('far', 9), describe('shut', 0, false)])
  await receive(3, place('near'))
  await receive(8, place('far'))
  await receive(99, place('shut'))
  const taken = async (quantity: number, strategy: string) => {
    const { status, body } = await reserve(quantity, { strategy })
    if (status !== 201) return body.shortages
    await end(body.id, 'expire')
    const where = body.lines.map(line => [line.location, line.quantity])
    await ask(`POST /v1/reservations/${body.id}/release`, {})
    return where
  }
  assert.deepEqual(await taken(5, 'priority'), [
    [place('near'), 3],
    [place('far'), 2],
  ])
  assert.deepEqual(await taken(5, 'fewest-splits'), [[place('far'), 5]])
  assert.deepEqual(await taken(2, 'fewest-splits'), [[place('near'), 2]])
  assert.deepEqual(await taken(2, 'most-stock'), [[place('far'), 2]])
  assert.deepEqual(await taken(12, 'priority'), [{ sku, requested: 12, available: 11 }])
  assert.equal((await reserve(1, { strategy: 'cheapest' })).body.errors[0]?.field, 'strategy')
  const partial = await reserve(12, { strategy: 'priority', partial: true })
  assert.deepEqual(partial.body.missing, [{ sku, quantity: 1 }])
})

test('without a strategy a line without a location is taken from main', async () => {
  await receive(1, `else-${number}`)
  assert.equal((await reserve(1)).status, 409)
})

test('everything at once on two instances: nobody waits in a circle, and the books balance', async () => {
  const names = ['A', 'B', 'C'].map(name => `${sku}-${name}`)
  const at = ['main', 'mix']
  const pick = <T>(some: readonly T[]): T => some[Math.floor(Math.random() * some.length)] as T
  const shuffled = () => [...names].sort(() => Math.random() - 0.5)
  for (const location of at) for (const name of names) await receive(60, location, name)
  const held: string[] = []
  const sent: string[] = []
  const turns = [
    () => ({
      route: '/reservations',
      body: { lines: shuffled().map(name => ({ sku: name, quantity: 2 })), owner: pick(['x', 'y']) },
    }),
    () => ({
      route: '/reservations',
      body: {
        lines: shuffled().map(name => ({ sku: name, quantity: 3 })),
        strategy: pick(['priority', 'most-stock', 'fewest-splits']),
        partial: true,
      },
    }),
    () => ({
      route: '/reservations',
      body: { lines: shuffled().map(name => ({ sku: name, location: pick(at), quantity: 9 })), ttl: 1 },
    }),
    () => ({ route: `/reservations/${pick(held)}/${pick(['commit', 'release', 'return', 'expire'])}`, body: {} }),
    () => ({
      route: `/reservations/${pick(held)}/${pick(['commit', 'release', 'return'])}`,
      body: { lines: [{ sku: pick(names), quantity: 1 }] },
    }),
    () => ({
      route: '/transfers',
      body: { source: 'main', destination: 'mix', lines: shuffled().map(name => ({ sku: name, quantity: 1 })) },
    }),
    () => ({
      route: '/transfers',
      body: { source: 'mix', destination: 'main', lines: shuffled().map(name => ({ sku: name, quantity: 1 })) },
    }),
    () => ({ route: `/transfers/${pick(sent)}/${pick(['receive', 'cancel'])}`, body: {} }),
  ]
  const statuses = new Map<number, number>()
  async function client(instance: Started): Promise<void> {
    for (let turn = 0; turn < 60; turn++) {
      const { route, body } = pick(turns)()
      if (route.includes('undefined')) continue
      const answer = await ask(`POST /v1${route}`, body, {}, instance)
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
      if (answer.status === 201) (route === '/transfers' ? sent : held).push(answer.body.id)
    }
  }
  await Promise.all(Array.from({ length: 12 }, (_, index) => client(index % 2 ? one : other)))
  assert.deepEqual(new Set(statuses.keys()), new Set([200, 201, 409]), JSON.stringify([...statuses]))
  await balanced()
})

test('after all of it the books balance', balanced)
