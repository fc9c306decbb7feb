import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import postgres from 'postgres'
import { type ClonedDatabase, cloneDatabase, type Started, startFunction } from '../../test/environment.ts'
import { evaluateAlerts } from './evaluate.ts'
import { readAlerts } from './read.ts'
import { setThresholds } from './set-thresholds.ts'

let cloned: ClonedDatabase
let sql: postgres.Sql
let evaluation: Started
let thresholds: Started
let reading: Started
before(async () => {
  cloned = await cloneDatabase('alerts')
  sql = postgres(cloned.url, { max: 2 })
  const env = { ALERTS_DATABASE_URL: cloned.url }
  ;[evaluation, thresholds, reading] = await Promise.all([
    startFunction(evaluateAlerts, env),
    startFunction(setThresholds, env),
    startFunction(readAlerts, env),
  ])
})
after(async () => {
  await Promise.all([evaluation.stop(), thresholds.stop(), reading.stop(), sql.end()])
  await cloned.drop()
})

let sku: string
let number = 0
beforeEach(() => {
  sku = `SKU-${++number}`
})

const setTo = (level: number, resolveAbove?: number, name = sku) =>
  thresholds.request('PUT /v1/thresholds', {
    body: { thresholds: [{ sku: name, level, ...(resolveAbove !== undefined && { resolveAbove }) }] },
  })

async function see(available: number, version: number, options: { id?: string; traceparent?: string } = {}): Promise<void> {
  const data = { sku, location: 'main', onHand: available, reserved: 0, available, version, kind: 'reserve', reference: null }
  assert.equal(await evaluation.deliver('tidemark.stock.changed.v1', data, options), 204)
}

interface Listed {
  items: { id: string; state: string; severity: string; threshold: number; available: number; resolvedAt: string | null }[]
  next: string | null
}
const alerts = async () => (await reading.request<Listed>(`GET /v1/alerts?sku=${sku}`)).body.items
const events = async () =>
  (
    await sql<
      { type: string; traceparent: string }[]
    >`select type, traceparent from outbox where data::jsonb ->> 'sku' = ${sku} order by id`
  ).map(({ type }) => type.split('.')[2])

test('stock that falls to its threshold raises one alert, and the event says where its trace came from', async () => {
  await setTo(10)
  await see(11, 1)
  assert.deepEqual(await alerts(), [])
  const traceId = 'c'.repeat(32)
  await see(10, 2, { traceparent: `00-${traceId}-${'d'.repeat(16)}-01` })
  const [alert] = await alerts()
  assert.deepEqual(alert && [alert.state, alert.severity, alert.threshold, alert.available], ['open', 'low', 10, 10])
  const [row] = await sql<{ traceparent: string }[]>`select traceparent from outbox where data::jsonb ->> 'sku' = ${sku}`
  assert.ok(row?.traceparent.startsWith(`00-${traceId}-`))
})

test('while an alert is open there is no second one, it is told again when the stock runs out, and ends above its hysteresis only', async () => {
  await setTo(10, 15)
  for (const [index, available] of [9, 3, 0, 11, 15, 9].entries()) await see(available, index + 1)
  assert.deepEqual(
    (await alerts()).map(({ state }) => state),
    ['open'],
  )
  await see(16, 7)
  await see(10, 8)
  assert.deepEqual(
    (await alerts()).map(({ state }) => state),
    ['open', 'resolved'],
  )
  assert.deepEqual(await events(), ['raised', 'raised', 'resolved', 'raised'])
})

test('an event that is delivered twice, or late, changes nothing', async () => {
  await setTo(10)
  await see(20, 5, { id: '018f2f1e-7c3a-7b1e-8a55-0b8f6f1f0a01' })
  await see(20, 5, { id: '018f2f1e-7c3a-7b1e-8a55-0b8f6f1f0a01' })
  await see(2, 4)
  assert.deepEqual(await alerts(), [])
  await see(2, 6)
  await see(2, 6)
  await see(30, 5)
  assert.deepEqual(await events(), ['raised'])
})

test('whatever the order of arrival, the newest stock decides', async () => {
  await setTo(10)
  const versions = Array.from({ length: 40 }, (_, index) => index + 1).sort(() => Math.random() - 0.5)
  await Promise.all(versions.map(version => see(version === 40 ? 3 : 100, version)))
  const [alert, ...others] = await alerts()
  assert.deepEqual([alert?.state, alert?.available, others.length], ['open', 3, 0])
})

test('a threshold over what is there already raises its alert at once', async () => {
  await see(7, 1)
  assert.deepEqual(await alerts(), [])
  await setTo(10)
  assert.deepEqual(
    (await alerts()).map(({ state, available }) => [state, available]),
    [['open', 7]],
  )
  await setTo(20)
  assert.equal((await alerts()).length, 1, 'it is open already')
  await setTo(2, 2)
  assert.deepEqual(
    (await alerts()).map(({ state }) => state),
    ['resolved'],
  )
})

test('a threshold on a place that was never seen raises nothing until stock is seen there', async () => {
  await setTo(10)
  assert.deepEqual(await alerts(), [])
  await see(0, 1)
  assert.deepEqual(
    (await alerts()).map(({ severity }) => severity),
    ['out_of_stock'],
  )
})

test('a threshold that is set while stock falls is never missed', async () => {
  for (let round = 0; round < 40; round++) {
    sku = `RACE-${number}-${round}`
    if (round % 2 === 0) await see(50, 1)
    await Promise.all([setTo(10), see(5, 2)])
    assert.equal((await alerts()).length, 1, `round ${round}`)
  }
})

test('thresholds and stock of many places at once do not wait for each other in a circle', async () => {
  const names = ['A', 'A B', 'A-B', 'B', 'a.c'].map(name => `${name}${number}`)
  const ask = async (round: number) => {
    const order = round % 2 ? names : [...names].reverse()
    const { status } = await thresholds.request('PUT /v1/thresholds', {
      body: { thresholds: order.map(name => ({ sku: name, level: round })) },
    })
    assert.equal(status, 200)
  }
  const seeAll = async (round: number) => {
    await Promise.all(
      names.map(name => {
        const data = {
          sku: name.toUpperCase(),
          location: 'main',
          onHand: 1,
          reserved: 0,
          available: 1,
          version: round + 1,
          kind: 'x',
          reference: null,
        }
        return evaluation.deliver('tidemark.stock.changed.v1', data).then(status => assert.equal(status, 204))
      }),
    )
  }
  for (let round = 0; round < 15; round++) await Promise.all([ask(round), seeAll(round), ask(round + 1)])
})

test('a threshold must leave room above its level, and its list can be walked', async () => {
  const wrong = await thresholds.request<{ errors: { field: string }[] }>('PUT /v1/thresholds', {
    body: { thresholds: [{ sku, level: 10, resolveAbove: 9 }] },
  })
  assert.deepEqual([wrong.status, wrong.body.errors[0]?.field], [422, 'thresholds[0].resolveAbove'])
  await setTo(1, 5, `PAGE-${number}-A`)
  await setTo(2, 5, `PAGE-${number}-B`)
  const seen: string[] = []
  let cursor = ''
  do {
    const { body } = await reading.request<{ items: { sku: string }[]; next: string | null }>(
      `GET /v1/thresholds?limit=3${cursor}`,
    )
    seen.push(...body.items.map(item => item.sku))
    cursor = body.next ? `&cursor=${body.next}` : ''
  } while (cursor)
  assert.deepEqual(seen, [...new Set(seen)].sort())
  assert.ok(seen.includes(`PAGE-${number}-A`) && seen.includes(`PAGE-${number}-B`))
})

test('alerts can be walked page by page and counted', async () => {
  const all: string[] = []
  let cursor = ''
  do {
    const { body } = await reading.request<Listed>(`GET /v1/alerts?limit=4${cursor}`)
    all.push(...body.items.map(({ id }) => id))
    cursor = body.next ? `&cursor=${body.next}` : ''
  } while (cursor)
  assert.equal(new Set(all).size, all.length)
  const { body } = await reading.request<{ open: number; resolved: number }>('GET /v1/alerts/summary')
  assert.equal(body.open + body.resolved, all.length)
  const forged = Buffer.from('["yesterday","x"]').toString('base64url')
  assert.equal((await reading.request(`GET /v1/alerts?cursor=${forged}`)).status, 422)
})
