import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { ownDatabase } from '../../test/own-database.ts'
import { inventory } from './inventory.ts'
import { reconcileInventory } from './reconcile-round.ts'

const { sql, start } = await ownDatabase('inventory')
const [stock, rounds] = await Promise.all([start(inventory), start(reconcileInventory)])

let sku: string
let number = 0
beforeEach(async () => {
  await sql`truncate transfer, transfer_line, stock, movement, reservation, reservation_line, proof, proof_walk, drift, outbox cascade`
  sku = `SKU-${++number}`
  await stock.request('POST /v1/stock/receipts', { body: { lines: [{ sku, quantity: 10 }] } })
  await stock.request('POST /v1/stock/receipts', { body: { lines: [{ sku: `${sku}-RIGHT`, quantity: 5 }] } })
  await reserve()
})

const reserve = async () => {
  const { status, body } = await stock.request<{ id: string }>('POST /v1/reservations', {
    body: { lines: [{ sku, quantity: 4 }] },
  })
  assert.equal(status, 201)
  return body.id
}

interface Drifted {
  id: string
  kind: string
  sku: string
  expected: number
  found: number
}
interface Proof {
  ok: boolean
  complete: boolean
  rows: number
  movements: number
  drift: { ledger: Drifted[]; reserved: Drifted[]; oversold: Drifted[]; transit: Drifted[] }
}
const prove = async (mode: 'incremental' | 'full') =>
  (await stock.request<Proof>(`GET /v1/stock/reconciliation?mode=${mode}`)).body
const short = (drifts: Drifted[]) => drifts.map(({ kind, sku: name, expected, found }) => [kind, name, expected, found])
const tick = async () => assert.equal(await rounds.tick(), 204)
const repair = async (body: object, key?: string) =>
  (
    await stock.request<{
      applied: boolean
      left: number
      repairs: { outcome: string; to: { onHand: number; reserved: number } | null }[]
    }>('POST /v1/stock/reconciliation/repair', { body, ...(key && { key }) })
  ).body
const outcomes = async (body: object) => (await repair(body)).repairs.map(({ outcome }) => outcome)
const totals = async () => (await sql`select on_hand::int, reserved::int, version::int from stock where sku = ${sku}`)[0]
const states = async () =>
  (await sql<{ state: string }[]>`select state from drift order by first_seen, kind`).map(({ state }) => state)
const driftEvents = async () =>
  (await sql`select data::jsonb as data from outbox where type = 'tidemark.stock.drifted.v1'`).length

test('a second proof reads only the movements behind the first, a full one reads them all', async () => {
  assert.deepEqual([(await prove('incremental')).movements, (await prove('incremental')).movements], [3, 0])
  await reserve()
  const { ok, movements, rows } = await prove('incremental')
  assert.deepEqual([ok, movements, rows], [true, 1, 2])
  assert.equal((await prove('full')).movements, 4)
})

for (const mode of ['incremental', 'full'] as const) {
  test(`units that somebody added by hand are found (${mode}), repaired on request, and tell it once`, async () => {
    await prove('incremental')
    await sql`update stock set on_hand = on_hand + 3 where sku = ${sku}`
    const { ok, drift } = await prove(mode)
    assert.deepEqual([ok, short(drift.ledger), drift.reserved], [false, [['on_hand', sku, 10, 13]], []])
    await prove(mode)
    assert.equal(await driftEvents(), 1)

    assert.deepEqual(await outcomes({ all: true }), ['would_repair'])
    assert.deepEqual(await totals(), { on_hand: 13, reserved: 4, version: 2 }, 'looking changes nothing')
    const repaired = await repair({ ids: [drift.ledger[0]?.id], apply: true })
    assert.deepEqual([repaired.repairs.map(({ outcome }) => outcome), repaired.left], [['repaired'], 0])
    assert.deepEqual(await totals(), { on_hand: 10, reserved: 4, version: 3 }, 'a new version, so that caches and alerts follow')
    assert.deepEqual([(await prove(mode)).ok, await states()], [true, ['repaired']])
    assert.deepEqual(await outcomes({ all: true, apply: true }), [])
  })

  test(`a reserved figure without its reservation is found (${mode}) and given back by a repair`, async () => {
    await prove('incremental')
    await sql`update stock set reserved = 7 where sku = ${sku}`
    assert.deepEqual(short((await prove(mode)).drift.reserved), [['reserved', sku, 4, 7]])
    assert.deepEqual(await outcomes({ all: true, apply: true }), ['repaired'])
    assert.deepEqual([(await totals())?.reserved, (await prove('full')).ok], [4, true])
  })

  test(`a drift that somebody put right by hand vanishes (${mode})`, async () => {
    await sql`update stock set on_hand = 11 where sku = ${sku}`
    assert.equal((await prove(mode)).ok, false)
    await sql`update stock set on_hand = 10 where sku = ${sku}`
    assert.deepEqual([(await prove(mode)).ok, await states()], [true, ['vanished']])
  })
}

test('a reservation that is committed in part still holds what it waits for, and that is no drift', async () => {
  const id = await reserve()
  const part = await stock.request(`POST /v1/reservations/${id}/commit`, { body: { lines: [{ sku, quantity: 1 }] } })
  assert.equal(part.status, 200)
  assert.deepEqual([(await totals())?.reserved, (await prove('incremental')).ok, (await prove('full')).ok], [7, true, true])
})

test('units between two locations are proved by the movements of their transfer', async () => {
  const lines = [{ sku, quantity: 5 }]
  const sent = await stock.request<{ id: string }>('POST /v1/transfers', { body: { source: 'main', destination: 'shop', lines } })
  assert.equal(sent.status, 201)
  const received = await stock.request(`POST /v1/transfers/${sent.body.id}/receive`, { body: { lines: [{ sku, quantity: 2 }] } })
  assert.equal(received.status, 200)
  assert.equal((await prove('incremental')).ok, true)
  await sql`update transfer_line set received = 3 where transfer_id = ${sent.body.id}`
  assert.deepEqual(short((await prove('incremental')).drift.transit), [['transit', sku, 3, 2]])
  assert.deepEqual(
    await outcomes({ all: true, apply: true }),
    ['needs_person'],
    'whether units are on their way nobody can compute',
  )
  await sql`update transfer_line set received = 2 where transfer_id = ${sent.body.id}`
  assert.deepEqual([(await prove('full')).ok, await states()], [true, ['vanished']])
})

test('a reservation that was deleted by hand leaves units reserved in totals and ledger: the repair frees both', async () => {
  const id = await reserve()
  await sql`delete from reservation_line where reservation_id = ${id}`
  assert.deepEqual(short((await prove('incremental')).drift.reserved), [['reserved', sku, 4, 8]])
  assert.deepEqual(await outcomes({ all: true, apply: true }), ['repaired'])
  const [last] =
    await sql`select kind, on_hand_delta::int, reserved_delta::int from movement where sku = ${sku} order by version desc`
  assert.deepEqual([last, (await prove('full')).ok], [{ kind: 'repair', on_hand_delta: 0, reserved_delta: -4 }, true])
})

test('where a movement is missing nothing is proved: a person must decide, and nothing is written', async () => {
  await sql`delete from movement where sku = ${sku} and version = 1`
  assert.deepEqual(short((await prove('incremental')).drift.ledger)[0], ['ledger', sku, 2, 1])
  assert.deepEqual(await outcomes({ all: true, apply: true }), ['needs_person'])
  assert.deepEqual(await totals(), { on_hand: 10, reserved: 4, version: 2 })
})

test('a movement that was rewritten behind its proof is found by a full proof, even where the totals were made to fit', async () => {
  await prove('incremental')
  await sql`update movement set on_hand_delta = 12 where sku = ${sku} and version = 1`
  await sql`update stock set on_hand = 12 where sku = ${sku}`
  const { drift } = await prove('full')
  assert.deepEqual(short(drift.ledger), [['ledger', sku, 10, 12]])
  assert.equal((await prove('incremental')).ok, false, 'a drifting row is read from its beginning by every proof')
  assert.deepEqual(await outcomes({ all: true, apply: true }), ['needs_person'])
})

for (const mode of ['incremental', 'full'] as const) {
  test(`a row that was deleted by hand is found by what knows it (${mode}), and put back from the ledger`, async () => {
    await prove('incremental')
    const [before] = await sql`select on_hand::int, reserved::int, version::int from stock where sku = ${sku}`
    await sql`delete from stock where sku = ${sku}`
    const { ok, rows, drift } = await prove(mode)
    assert.deepEqual([ok, rows, short(drift.ledger)], [false, 1, [['ledger', sku, 10, 0]]])
    assert.equal((await prove(mode)).ok, false)
    assert.equal(await driftEvents(), 1, 'told once')

    assert.deepEqual((await repair({ all: true })).repairs[0]?.to, { onHand: 10, reserved: 4 })
    assert.equal(await totals(), undefined, 'looking changes nothing')
    assert.deepEqual(await outcomes({ all: true, apply: true }), ['repaired'])
    assert.deepEqual(
      [before, await totals()],
      [
        { on_hand: 10, reserved: 4, version: 2 },
        { on_hand: 10, reserved: 4, version: 3 },
      ],
    )
    assert.deepEqual([(await prove(mode)).ok, (await prove('full')).ok, await states()], [true, true, ['repaired']])
    await stock.request('POST /v1/stock/receipts', { body: { lines: [{ sku, quantity: 1 }] } })
    assert.deepEqual([(await totals())?.on_hand, (await prove(mode)).ok], [11, true], 'it goes on as before')
  })

  test(`a row that was deleted before any proof is found (${mode}) by its movements or by who waits for its units`, async () => {
    await sql`delete from stock`
    const { drift } = await prove(mode)
    assert.deepEqual(short(drift.ledger), [
      ['ledger', sku, 10, 0],
      ['ledger', `${sku}-RIGHT`, 5, 0],
    ])
    await sql`truncate movement`
    assert.deepEqual(short((await prove(mode)).drift.ledger), [['ledger', sku, 0, 0]], 'the other is known to nobody any more')
    assert.deepEqual(await outcomes({ all: true, apply: true }), ['needs_person'])
  })

  test(`a movement that was added by hand is found (${mode}), and what to do with it a person must say`, async () => {
    await prove('incremental')
    await sql`insert into movement (sku, location, version, kind, on_hand_delta, reserved_delta, actor, at)
      values (${sku}, 'main', 3, 'receive', 7, 0, 'somebody', now())`
    assert.deepEqual(short((await prove(mode)).drift.ledger)[0], ['ledger', sku, 3, 2])
    assert.deepEqual(await outcomes({ all: true, apply: true }), ['needs_person'])
  })

  test(`a reservation that was closed by hand is found (${mode}) though its row has not changed since it was proved`, async () => {
    await prove('incremental')
    await sql`update reservation set state = 'released', closed_at = now()`
    assert.deepEqual(short((await prove(mode)).drift.reserved), [['reserved', sku, 0, 4]])
    await sql`update reservation set state = 'open', closed_at = null`
    assert.deepEqual([(await prove(mode)).ok, await states()], [true, ['vanished']])
  })
}

test('of more rows than are looked at in one go each is proved once, and each that drifts is found', async () => {
  await sql`insert into stock (sku, location, on_hand, version) select 'M-' || n, 'main', 1, 1 from generate_series(1, 12000) n`
  await sql`insert into movement (sku, location, version, kind, on_hand_delta, reserved_delta, actor, at)
    select sku, location, 1, 'receive', 1, 0, 'somebody', now() from stock where sku like 'M-%'`
  for (const mode of ['incremental', 'full'] as const) {
    const { ok, rows, movements } = await prove(mode)
    assert.deepEqual([ok, rows, movements], [true, 12_002, 12_003])
  }
  await sql`update stock set on_hand = 2 where sku in ('M-1', 'M-9999')`
  await sql`delete from stock where sku = 'M-5000'`
  for (const mode of ['incremental', 'full'] as const) {
    const { rows, drift } = await prove(mode)
    assert.deepEqual([rows, drift.ledger.map(found => found.sku).sort()], [12_001, ['M-1', 'M-5000', 'M-9999']])
  }
})

test('two repairs of one drift at once correct it once', async () => {
  await sql`update stock set on_hand = 15 where sku = ${sku}`
  await prove('incremental')
  await Promise.all([repair({ all: true, apply: true }), repair({ all: true, apply: true }), repair({ all: true, apply: true })])
  assert.deepEqual([(await totals())?.on_hand, (await prove('full')).ok], [10, true])
})

test('a repair repeated with its key is answered as the first time', async () => {
  await sql`update stock set on_hand = 15 where sku = ${sku}`
  await prove('incremental')
  const first = await repair({ all: true, apply: true }, 'repair-once')
  assert.deepEqual(await repair({ all: true, apply: true }, 'repair-once'), first)
})

test('drift is never seen while stock is sold and reconciled at once', async () => {
  let stop = false
  const sales = Array.from({ length: 4 }, async () => {
    while (!stop) {
      await stock.request('POST /v1/stock/receipts', { body: { lines: [{ sku, quantity: 4 }] } })
      const id = await reserve()
      await stock.request(`POST /v1/reservations/${id}/commit`, { body: {} })
    }
  })
  for (let round = 0; round < 15; round++) assert.equal((await prove(round % 3 === 0 ? 'full' : 'incremental')).ok, true)
  stop = true
  await Promise.all(sales)
  assert.equal((await prove('full')).ok, true)
})

test('the round by the clock finds drift and shows it as a metric, and the next one shows that it is gone', async () => {
  const metric = async () => (await (await fetch(rounds.metricsUrl)).text()).match(/drift_rows\{.*kind="on_hand".*\} (\d+)/)?.[1]
  await tick()
  assert.equal(await metric(), '0')
  await sql`update stock set on_hand = 99 where sku = ${sku}`
  await tick()
  assert.equal(await metric(), '1')
  await sql`update stock set on_hand = 10 where sku = ${sku}`
  await tick()
  assert.deepEqual([await metric(), await states()], ['0', ['vanished']])
})

test('a repair names its drifts or takes all, and needs the scope to write', async () => {
  const ask = (body: object, scopes?: string[]) =>
    stock.request<{ code: string }>('POST /v1/stock/reconciliation/repair', { body, ...(scopes && { scopes }) })
  assert.equal((await ask({})).status, 422)
  assert.equal((await ask({ all: true, ids: ['018f2f1e-7c3a-7b1e-8a55-0b8f6f1f0a01'] })).status, 422)
  assert.equal((await ask({ all: true }, ['stock:read'])).status, 403)
})
