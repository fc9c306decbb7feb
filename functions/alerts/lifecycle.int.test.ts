import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, beforeEach, test } from 'node:test'
import postgres from 'postgres'
import { type ClonedDatabase, cloneDatabase, type Started, startFunction } from '../../test/environment.ts'
import { alertsDue } from './due.ts'
import { evaluateAlerts } from './evaluate.ts'
import { readAlerts } from './read.ts'
import { respondToAlerts } from './respond.ts'
import { setThresholds } from './set-thresholds.ts'

let cloned: ClonedDatabase
let sql: postgres.Sql
let evaluation: Started
let thresholds: Started
let responding: Started
let reading: Started
let due: Started
before(async () => {
  cloned = await cloneDatabase('alerts')
  sql = postgres(cloned.url, { max: 2 })
  const env = { ALERTS_DATABASE_URL: cloned.url }
  ;[evaluation, thresholds, responding, reading, due] = await Promise.all([
    startFunction(evaluateAlerts, env),
    startFunction(setThresholds, env),
    startFunction(respondToAlerts, env),
    startFunction(readAlerts, env),
    startFunction(alertsDue, env),
  ])
})
after(async () => {
  await Promise.all([evaluation.stop(), thresholds.stop(), responding.stop(), reading.stop(), due.stop(), sql.end()])
  await cloned.drop()
})

let sku: string
let number = 0
let version: number
beforeEach(async () => {
  sku = `SKU-${++number}`
  version = 0
  await thresholds.request('PUT /v1/thresholds', { body: { thresholds: [{ sku, level: 10, resolveAbove: 12 }] } })
})

async function see(available: number): Promise<void> {
  const data = { sku, location: 'main', onHand: available, reserved: 0, available, kind: 'reserve', reference: null }
  assert.equal(await evaluation.deliver('tidemark.stock.changed.v1', { ...data, version: ++version }), 204)
}

type Summary = Record<string, number> & { severities: Record<string, Record<string, number>> }
interface Shown {
  id: string
  state: string
  severity: string
  snoozedUntil: string | null
  code: string
  history: { action: string; actor: string | null; note: string | null }[]
  errors: { field: string }[]
  results: { id: string; state?: string; problem?: { code: string } }[]
}
const newest = async (): Promise<Shown> => {
  const { body } = await reading.request<{ items: Shown[] }>(`GET /v1/alerts?sku=${sku}&limit=1`)
  const id = body.items[0]?.id ?? ''
  return (await reading.request<Shown>(`GET /v1/alerts/${id}`)).body
}
const act = (action: string, id: string, body: object = {}, key?: string) =>
  responding.request<Shown>(`POST /v1/alerts/${id}/${action}`, { body, ...(key !== undefined && { key }) })
const told = async () =>
  (
    await sql<{ data: { severity?: string; telling?: number; resolvedBy?: string | null; acknowledgedBy?: string } }[]>`
      select data::jsonb as data from outbox where data::jsonb ->> 'sku' = ${sku} order by id`
  ).map(({ data }) =>
    [data.severity, data.telling, data.resolvedBy, data.acknowledgedBy && 'acknowledged'].filter(
      one => one !== undefined && one !== null,
    ),
  )

test('an alert says who did what with it, when, and why', async () => {
  await see(8)
  const { id } = await newest()
  assert.equal((await act('acknowledge', id, { note: 'Ordered.' })).body.state, 'acknowledged')
  assert.equal((await act('acknowledge', id)).status, 200)
  assert.equal((await act('snooze', id, { minutes: 60 })).body.state, 'snoozed')
  await see(13)
  const alert = await newest()
  assert.deepEqual([alert.state, alert.snoozedUntil], ['resolved', null])
  assert.deepEqual(
    alert.history.map(({ action, note }) => [action, note]),
    [
      ['raised', null],
      ['acknowledged', 'Ordered.'],
      ['snoozed', null],
      ['resolved', null],
    ],
  )
  assert.deepEqual([alert.history[0]?.actor, alert.history[3]?.actor], [null, null])
  assert.ok(alert.history[1]?.actor)
  assert.deepEqual(await told(), [['low', 1], ['acknowledged'], []])
})

test('an acknowledged alert that gets worse is open again and told again, once, and not when it hovers', async () => {
  await see(8)
  const { id } = await newest()
  await act('acknowledge', id)
  for (const available of [5, 0, 2, 0]) await see(available)
  const alert = await newest()
  assert.deepEqual([alert.id, alert.state, alert.severity], [id, 'open', 'out_of_stock'])
  assert.deepEqual(await told(), [['low', 1], ['acknowledged'], ['out_of_stock', 2]])
})

test('what a person resolved is not raised again while the stock stays low, but when it is worse, and after a recovery', async () => {
  await see(8)
  const first = await newest()
  assert.equal((await act('resolve', first.id, { note: 'Discontinued.' })).body.state, 'resolved')
  for (const available of [7, 11, 6]) await see(available)
  assert.equal((await newest()).id, first.id)
  await see(0)
  const second = await newest()
  assert.notEqual(second.id, first.id)
  await act('resolve', second.id)
  await see(20)
  await see(9)
  const third = await newest()
  assert.deepEqual([third.state, third.severity], ['open', 'low'])
  assert.equal(new Set([first.id, second.id, third.id]).size, 3)
})

test('a snooze that is over tells the alert again, and one that is not does not', async () => {
  await see(8)
  const { id } = await newest()
  await act('snooze', id, { minutes: 5 })
  await due.tick()
  assert.equal((await newest()).state, 'snoozed')
  await sql`update alert set snoozed_until = now() - interval '1 second' where id = ${id}`
  for (let round = 0; round < 2; round++) await due.tick()
  const alert = await newest()
  assert.deepEqual([alert.state, alert.history.at(-1)?.action], ['open', 'woken'])
  assert.deepEqual(await told(), [['low', 1], ['acknowledged'], ['low', 2]])
})

test('many alerts are acknowledged at once, each for itself, and a repetition is told the same', async () => {
  await see(8)
  const { id } = await newest()
  const [unknown, resolved] = [randomUUID(), randomUUID()]
  await sql`insert into alert (id, sku, location, state, severity, threshold, available, stock_version, raised_at, resolved_at)
    values (${resolved}, ${sku}, 'other', 'resolved', 'low', 1, 1, 1, now() - interval '1 day', now())`
  const send = () =>
    responding.request<Shown>('POST /v1/alerts/acknowledge', { body: { ids: [id, unknown, resolved, id] }, key: `all-${sku}` })
  const [first, second] = [await send(), await send()]
  assert.deepEqual(
    first.body.results.map(({ state, problem }) => state ?? problem?.code),
    ['acknowledged', 'not_found', 'alert_resolved', 'acknowledged'],
  )
  assert.deepEqual(second.body, first.body)
  assert.equal((await newest()).history.length, 2)
})

test('many alerts are put off or resolved at once, each for itself', async () => {
  await see(8)
  const { id } = await newest()
  const unknown = randomUUID()
  const send = async (action: string, body: object) =>
    (await responding.request<Shown>(`POST /v1/alerts/${action}`, { body: { ids: [unknown, id], ...body } })).body
  const states = ({ results }: Shown) => results.map(({ state, problem }) => state ?? problem?.code)
  assert.deepEqual(states(await send('snooze', { minutes: 30, note: 'The truck is late.' })), ['not_found', 'snoozed'])
  assert.deepEqual(
    (await send('snooze', {})).errors.map(({ field }) => field),
    ['minutes'],
  )
  assert.deepEqual(states(await send('resolve', { note: 'Discontinued.' })), ['not_found', 'resolved'])
  assert.deepEqual(states(await send('snooze', { minutes: 30 })), ['not_found', 'alert_resolved'])
  assert.deepEqual(
    (await newest()).history.map(({ action, note }) => [action, note]),
    [
      ['raised', null],
      ['snoozed', 'The truck is late.'],
      ['resolved', 'Discontinued.'],
    ],
  )
})

test('who acknowledges for somebody else is in the history with the one it was for', async () => {
  await see(8)
  await act('acknowledge', (await newest()).id, { onBehalfOf: 'pagerduty: Ann' })
  assert.match((await newest()).history.at(-1)?.actor ?? '', /^pagerduty: Ann \(by .+\)$/)
})

test('what cannot be done is refused by name', async () => {
  await see(8)
  const { id } = await newest()
  assert.deepEqual([(await act('acknowledge', randomUUID())).status, (await act('resolve', id)).status], [404, 200])
  const over = await act('acknowledge', id)
  assert.deepEqual([over.status, over.body.code], [409, 'alert_resolved'])
  await see(0)
  const fields = async (body: object) => (await act('snooze', (await newest()).id, body)).body.errors.map(({ field }) => field)
  assert.deepEqual(await fields({}), ['minutes'])
  assert.deepEqual(await fields({ minutes: 0 }), ['minutes'])
  assert.deepEqual(await fields({ until: '2020-01-01T00:00:00Z' }), ['until'])
  assert.deepEqual(await fields({ until: '2999-01-01T00:00:00Z' }), ['until'])
})

test('alerts are listed and counted by state and severity', async () => {
  await see(0)
  const { id } = await newest()
  await act('acknowledge', id)
  const ids = async (query: string) =>
    (await reading.request<{ items: Shown[] }>(`GET /v1/alerts?sku=${sku}&${query}`)).body.items.map(item => item.id)
  assert.deepEqual(await ids('state=acknowledged'), [id])
  assert.deepEqual(await ids('state=active&severity=out_of_stock'), [id])
  assert.deepEqual(await ids('state=open'), [])
  assert.deepEqual(await ids('severity=low'), [])
  const { body } = await reading.request<Summary>('GET /v1/alerts/summary')
  const rows = await sql<{ state: string; count: string }[]>`select state, count(*) from alert group by state`
  for (const { state, count } of rows) assert.equal(body[state], Number(count))
  assert.ok((body.acknowledged ?? 0) >= 1)
  const [empty] = await sql<{ count: number }[]>`
    select count(*)::int from alert where state = 'acknowledged' and severity = 'out_of_stock'`
  assert.equal(body.severities.out_of_stock?.acknowledged, empty?.count)
})

test('alerts are found by rule, category, what mutes them and who acknowledged them', async () => {
  await see(8)
  const { id } = await newest()
  await act('acknowledge', id)
  const silence = `silence:${randomUUID()}`
  await sql`update alert set muted = ${silence}, category = 'Lamps' where id = ${id}`
  const found = async (query: string) =>
    (await reading.request<{ items: Shown[] }>(`GET /v1/alerts?sku=${sku}&${query}`)).body.items.length
  const actor = (await newest()).history.at(-1)?.actor ?? ''
  for (const query of ['muted=true', `muted=${silence}`, 'category=Lamps', 'rule=absolute', `acknowledgedBy=${actor}`]) {
    assert.equal(await found(query), 1, query)
  }
  for (const query of [
    'muted=false',
    `muted=silence:${randomUUID()}`,
    'category=Mugs',
    'rule=forecast',
    'acknowledgedBy=nobody',
  ]) {
    assert.equal(await found(query), 0, query)
  }
  const { body } = await reading.request<Summary>('GET /v1/alerts/summary')
  assert.ok(Number(body.muted) >= 1)
  const { status } = await reading.request('GET /v1/alerts?muted=perhaps')
  assert.equal(status, 422)
})
