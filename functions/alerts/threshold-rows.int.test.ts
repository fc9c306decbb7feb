import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import postgres from 'postgres'
import { type ClonedDatabase, cloneDatabase, type Started, startFunction } from '../../test/environment.ts'
import { setThresholds } from './set-thresholds.ts'

let cloned: ClonedDatabase
let sql: postgres.Sql
let running: Started
before(async () => {
  cloned = await cloneDatabase('alerts')
  sql = postgres(cloned.url, { max: 1 })
  running = await startFunction(setThresholds, { ALERTS_DATABASE_URL: cloned.url })
})
after(async () => {
  await Promise.all([running.stop(), sql.end()])
  await cloned.drop()
})

interface Body {
  results: { index: number; status: number; problem?: { errors?: { field: string }[] } }[]
  succeeded: number
  rejected: number
}

test('thresholds that fit are set, and one that does not is told its field alone', async () => {
  const thresholds = [
    { sku: 'A', level: 5 },
    { sku: 'B', level: -1 },
    { sku: 'C', level: 5, resolveAbove: 4 },
    { sku: 'D', level: 7, resolveAbove: 9 },
    null,
  ]
  const send = () => running.request<Body>('PUT /v1/thresholds/bulk', { body: { thresholds }, key: 'rows' })
  const { status, body } = await send()
  assert.equal(status, 200)
  assert.deepEqual(
    body.results.map(result => [result.status, result.problem?.errors?.[0]?.field]),
    [
      [200, undefined],
      [422, 'level'],
      [422, 'resolveAbove'],
      [200, undefined],
      [422, ''],
    ],
  )
  assert.deepEqual([body.succeeded, body.rejected], [2, 3])
  const rows = await sql<{ sku: string }[]>`select sku from threshold order by sku`
  assert.deepEqual(
    rows.map(row => row.sku),
    ['A', 'D'],
  )
  assert.deepEqual((await send()).headers.get('idempotency-replayed'), 'true')
})

test('where nothing fits, nothing is set, and what is no list is refused', async () => {
  const { body } = await running.request<Body>('PUT /v1/thresholds/bulk', { body: { thresholds: ['x'] } })
  assert.deepEqual([body.succeeded, body.rejected], [0, 1])
  assert.equal((await running.request('PUT /v1/thresholds/bulk', { body: { thresholds: [] } })).status, 422)
})
