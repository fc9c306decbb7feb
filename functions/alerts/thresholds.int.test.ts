import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { ownDatabase } from '../../test/own-database.ts'
import { alertsDue } from './due.ts'
import { evaluateAlerts } from './evaluate.ts'
import { readAlerts } from './read.ts'
import { setThresholds } from './set-thresholds.ts'
import { judgeDaily } from './threshold-daily.ts'
import { dayOf, isoDay } from './velocity.ts'

const { sql, start } = await ownDatabase('alerts')
const [evaluation, setting, reading, due, daily] = await Promise.all([
  start(evaluateAlerts),
  start(setThresholds),
  start(readAlerts),
  start(alertsDue),
  start(judgeDaily),
])

let sku: string
let number = 0
let version = 0
beforeEach(async () => {
  sku = `SKU-${++number}`
  version = 0
  await sql`truncate threshold, rejudging, breach`
})

interface Results {
  results: { status: number; problem?: { errors?: { field: string }[] } }[]
  succeeded: number
  rejected: number
}
const set = async (...thresholds: object[]) => {
  const { status, body } = await setting.request<Results>('PUT /v1/thresholds/bulk', { body: { thresholds } })
  assert.deepEqual([status, body.rejected], [200, 0], JSON.stringify(body))
}
const remove = (...thresholds: object[]) => setting.request<Results>('POST /v1/thresholds/delete', { body: { thresholds } })
const profile = (...profiles: object[]) => setting.request<Results>('PUT /v1/sku-profiles', { body: { profiles } })

async function see(available: number, given: { location?: string; capacity?: number; sold?: number; name?: string } = {}) {
  const { location = 'main', capacity = null, sold = 0, name = sku } = given
  const data = { sku: name, location, onHand: available, reserved: 0, available, kind: 'commit', reference: null, capacity }
  const told = { ...data, version: ++version, since: version - 1, sold }
  assert.equal(await evaluation.deliver('tidemark.stock.changed.v1', told), 204)
}

/** So many units on each of the days before today. */
const soldDaily = (units: number, days = 28, location = 'main') => sql`
  insert into sales (sku, location, day, units)
  values (${sku}, ${location}, ${isoDay(dayOf(new Date()) - 1)}, ${`{${Array(days).fill(units).join(',')}}`}::bigint[])`

interface AlertBody {
  id: string
  state: string
  severity: string
  rule: string
  category: string | null
  threshold: number
  suggestedOrder: number | null
}
const alerts = async () => (await reading.request<{ items: AlertBody[] }>(`GET /v1/alerts?sku=${sku}`)).body.items.reverse()
const said = async () => (await alerts()).map(({ rule, severity, state, threshold }) => [rule, severity, state, threshold])

interface Effective {
  category: string | null
  stock: { available: number } | null
  rules: {
    type: string
    source: { scope: string; category: string | null } | null
    units: { level: number } | null
    updatedAt: string | null
    updatedBy: string | null
    unitsPerDay: number
    leadTimeDays: number
    verdict: string
    severity: string | null
    waitsUntil: string | null
    alertId: string | null
    suggestedOrder: number | null
  }[]
}
const effective = async (location = 'main') =>
  (await reading.request<Effective>(`GET /v1/thresholds/effective?sku=${sku}&location=${location}`)).body
/** As if what was set had been set some time ago. */
const wait = async () => {
  await sql`update rejudging set at = at - interval '1 minute'`
  assert.equal(await due.tick(), 204)
}

test('each type raises an alert of its own, which says its rule, its level in units, and what to order', async () => {
  await profile({ sku, category: 'Kitchen', leadTimeDays: 5, packSize: 12 })
  await soldDaily(4)
  await set(
    { sku, level: 30, criticalLevel: 10 },
    { sku, type: 'percentage', level: 20 },
    { sku, type: 'days_of_cover', level: 2, windowDays: 14 },
    { sku, type: 'forecast', level: 3 },
  )
  await see(31, { capacity: 200 })
  assert.deepEqual(await said(), [['percentage', 'low', 'open', 40]])
  await see(22, { capacity: 200 })
  assert.deepEqual(
    await said(),
    [
      ['percentage', 'low', 'open', 40],
      ...[
        ['absolute', 'low', 'open', 30],
        ['days_of_cover', 'low', 'open', 28],
        ['forecast', 'low', 'open', 23],
      ].sort(),
    ].sort((a, b) => (a[0] === 'percentage' ? -1 : b[0] === 'percentage' ? 1 : 0)),
  )
  const all = await alerts()
  assert.deepEqual([...new Set(all.map(({ category }) => category))], ['kitchen'])
  // Two weeks and the lead time are 76 units; what is missing, in dozens.
  assert.equal(all.find(({ rule }) => rule === 'absolute')?.suggestedOrder, 60)
  await see(9, { capacity: 200 })
  const rows = await sql<{ data: { rule: string; severity: string; category: string; suggestedOrder: number } }[]>`
    select data::jsonb as data from outbox where data::jsonb ->> 'sku' = ${sku} order by id desc limit 1`
  assert.deepEqual(
    rows.map(({ data: { rule, severity, category, suggestedOrder } }) => [rule, severity, category, suggestedOrder]),
    [['absolute', 'critical', 'kitchen', 72]],
  )
  await see(100, { capacity: 200 })
  assert.deepEqual(new Set((await alerts()).map(({ state }) => state)), new Set(['resolved']))
})

test('a threshold is inherited from the SKU, its category, the location or by default, and its source is told', async () => {
  await profile({ sku, category: 'garden' })
  await see(50)
  const source = async () => {
    const { rules } = await effective()
    return rules.map(({ type, source: from, units }) => [type, from?.scope, units?.level])
  }
  assert.deepEqual(await source(), [])
  const scopes = [
    { scope: 'default', level: 1 },
    { scope: 'location', location: 'main', level: 2 },
    { scope: 'category', category: 'Garden', level: 3 },
    { scope: 'sku', sku, level: 4 },
    { scope: 'place', sku, level: 5 },
  ]
  for (const one of scopes) {
    await set(one)
    assert.deepEqual(await source(), [['absolute', one.scope, one.level]])
  }
  await set(
    { scope: 'default', type: 'percentage', level: 10, parLevel: 100 },
    { sku, type: 'percentage', level: 1, state: 'off' },
  )
  assert.deepEqual(await source(), [['absolute', 'place', 5]])
  for (const one of scopes.toReversed().slice(0, 4)) {
    const { level: _, ...key } = one
    assert.equal((await remove(key)).body.succeeded, 1)
  }
  assert.deepEqual(await source(), [['absolute', 'default', 1]])
})

test('a wider threshold raises and resolves alerts at every place that inherits it, and at no other, soon after it is set', async () => {
  await profile({ sku, category: 'toys' })
  await see(8)
  await see(8, { location: 'shop' })
  await set({ sku, location: 'shop', level: 5 })
  await set({ scope: 'category', category: 'toys', level: 10 })
  assert.equal(await due.tick(), 204)
  assert.deepEqual(await said(), [], 'an event that is being judged now may still go by what was')
  await wait()
  assert.deepEqual(await said(), [['absolute', 'low', 'open', 10]])
  await profile({ sku, category: 'books' })
  await wait()
  assert.deepEqual(await said(), [['absolute', 'low', 'resolved', 10]])
  await set({ scope: 'location', location: 'main', level: 9 })
  await wait()
  await set({ scope: 'default', level: 20 })
  await remove({ scope: 'location', location: 'main' })
  await wait()
  assert.deepEqual(
    (await said()).filter(([, , state]) => state === 'open'),
    [['absolute', 'low', 'open', 9]],
  )
  assert.equal((await sql`select from rejudging`).length, 0)
})

test('a thousand places that inherit are judged in one round, and a walk that was cut off goes on', async () => {
  await sql`
    insert into stock_seen (sku, location, available, version)
    select ${sku} || '-' || n, 'main', 3, 1 from generate_series(1, 1000) n`
  await set({ scope: 'default', level: 3 })
  await sql`update rejudging set after_sku = ${`${sku}-500`}, after_location = 'main'`
  await wait()
  const [counted] = await sql<{ count: number }[]>`select count(*)::int as count from alert where sku like ${`${sku}-%`}`
  const [left] = await sql<{ count: number }[]>`
    select count(*)::int as count from stock_seen where sku like ${`${sku}-%`} and (sku, location) > (${`${sku}-500`}, 'main')`
  assert.equal(counted?.count, left?.count)
  await sql`delete from stock_seen where sku like ${`${sku}-%`}`
})

test('a breach that must last is an alert when it has, once, and none when it recovered before', async () => {
  await set({ sku, level: 10, forSeconds: 60 })
  await see(9)
  await see(7)
  assert.deepEqual(await said(), [])
  const [rule] = (await effective()).rules
  assert.deepEqual([rule?.verdict, rule?.severity], ['wait', 'low'])
  assert.ok(Date.parse(rule?.waitsUntil ?? '') > Date.now() + 40_000)
  await see(11)
  assert.equal((await sql`select from breach`).length, 0)
  await see(6)
  await sql`update breach set since = since - interval '61 seconds', due_at = due_at - interval '61 seconds'`
  for (let round = 0; round < 2; round++) assert.equal(await due.tick(), 204)
  assert.deepEqual(await said(), [['absolute', 'low', 'open', 10]])
  await see(5)
  assert.equal((await sql`select from breach`).length, 0)
  assert.equal((await alerts()).length, 1)
})

test('soon after its end an alert is not raised again but when it is worse; later it is, though no event comes', async () => {
  await set({ sku, level: 10, dedupSeconds: 600 })
  for (const available of [9, 20, 8]) await see(available)
  assert.deepEqual(await said(), [['absolute', 'low', 'resolved', 10]])
  await see(0)
  assert.deepEqual(
    (await said()).map(([, severity, state]) => [severity, state]),
    [
      ['low', 'resolved'],
      ['out_of_stock', 'open'],
    ],
  )
  await see(20)
  await see(7)
  assert.equal((await alerts()).length, 2)
  await sql`update alert set resolved_at = resolved_at - interval '601 seconds' where sku = ${sku}`
  await sql`update breach set due_at = now() - interval '1 second'`
  assert.equal(await due.tick(), 204)
  assert.deepEqual((await said()).at(-1), ['absolute', 'low', 'open', 10])
})

test('what sells no more lasts longer: its alert ends with the days, though no event comes', async () => {
  await soldDaily(4, 7)
  await set({ sku, type: 'days_of_cover', level: 3, windowDays: 7 })
  await see(30)
  assert.deepEqual(await said(), [['days_of_cover', 'low', 'open', 40]])
  // A week later.
  await sql`update sales set day = day - 7 where sku = ${sku}`
  assert.equal(await daily.tick(), 204)
  await wait()
  assert.deepEqual(await said(), [['days_of_cover', 'low', 'resolved', 40]])
})

test('without a threshold that changes with the days nothing is judged for them', async () => {
  await set({ sku, level: 10 })
  assert.equal(await daily.tick(), 204)
  assert.equal((await sql`select from rejudging`).length, 0)
})

test('what was sold counts once, whatever is delivered twice, late, or together with a receipt', async () => {
  const events = Array.from({ length: 30 }, (_, index) => ({ since: index, version: index + 1, sold: (index % 4) - 1 }))
  const twice = [...events, ...events].sort(() => Math.random() - 0.5)
  await Promise.all(
    twice.map(({ since, version: of, sold }) => {
      const data = { sku, location: 'main', onHand: 100, reserved: 0, available: 100, version: of, kind: 'commit', since, sold }
      return evaluation.deliver('tidemark.stock.changed.v1', data).then(status => assert.equal(status, 204))
    }),
  )
  const [row] = await sql<{ day: string; units: string[]; through: string; ahead: string[] }[]>`
    select day::text, units, counted_through as through, counted_ahead as ahead from sales join stock_seen using (sku, location)
    where sku = ${sku}`
  const sum = events.reduce((all, { sold }) => all + sold, 0)
  assert.deepEqual({ ...row }, { day: isoDay(dayOf(new Date())), units: [String(sum)], through: '30', ahead: [] })
})

test('a sale counts on the day on which it was made, however late its event comes', async () => {
  await see(90, { sold: 10 })
  const data = { sku, location: 'main', onHand: 9, reserved: 0, available: 9, version: 2, kind: 'sell', since: 1, sold: 7 }
  const time = new Date(Date.now() - 3 * 86_400_000)
  assert.equal(await evaluation.deliver('tidemark.stock.changed.v1', data, { time }), 204)
  const [row] = await sql<{ units: string[] }[]>`select units from sales where sku = ${sku}`
  assert.deepEqual(row?.units.map(Number), [7, 0, 0, 10])
})

test('an event of a writer that does not count sales is judged all the same', async () => {
  await set({ sku, level: 10 })
  const data = { sku, location: 'main', onHand: 3, reserved: 0, available: 3, version: 1, kind: 'sell', reference: null }
  assert.equal(await evaluation.deliver('tidemark.stock.changed.v1', data), 204)
  assert.deepEqual(await said(), [['absolute', 'low', 'open', 10]])
  assert.equal((await sql`select from sales where sku = ${sku}`).length, 0)
})

test('what is effective tells what is known, and what it would do', async () => {
  await soldDaily(2)
  await see(10)
  await set({ scope: 'sku', sku, type: 'days_of_cover', level: 3, leadTimeDays: 4 })
  const { stock, rules } = await effective()
  assert.equal(stock?.available, 10)
  assert.deepEqual(
    rules.map(({ units, unitsPerDay, leadTimeDays, verdict, severity, suggestedOrder }) => [
      ...[units?.level, unitsPerDay, leadTimeDays, verdict, severity, suggestedOrder],
    ]),
    [[14, 2, 4, 'raise', 'low', 26]],
  )
  assert.ok(rules[0]?.updatedBy && Date.parse(rules[0].updatedAt ?? ''))
  const nowhere = await effective('moon')
  assert.deepEqual([nowhere.stock, nowhere.rules[0]?.verdict], [null, 'nothing'])
})

test('two standing alerts of one place and rule are impossible, of two rules they are not', async () => {
  await set({ sku, level: 10 }, { sku, type: 'percentage', level: 10, parLevel: 100 })
  await see(5)
  assert.equal((await alerts()).length, 2)
  await assert.rejects(
    sql`insert into alert (id, sku, location, state, severity, threshold, available, stock_version, raised_at)
      select gen_random_uuid(), sku, location, 'acknowledged', severity, 1, 1, 9, now() from alert where sku = ${sku} and rule = 'absolute'`,
    /alert_one_standing/,
  )
})
