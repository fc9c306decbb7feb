import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { ownDatabase } from '../../test/own-database.ts'
import { evaluateAlerts } from './evaluate.ts'
import { readAlerts } from './read.ts'
import { setThresholds } from './set-thresholds.ts'

const { sql, start } = await ownDatabase('alerts')
const [evaluation, setting, reading] = await Promise.all([start(evaluateAlerts), start(setThresholds), start(readAlerts)])

let sku: string
let number = 0
beforeEach(async () => {
  sku = `SKU-${++number}`
  await sql`truncate threshold, rejudging`
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

interface Changes {
  items: {
    scope: string
    type: string
    before: { level: number } | null
    after: { level: number } | null
    actor: string
    at: string
  }[]
  next: string | null
}
test('who changed which threshold, when, from what to what, is kept for ever and read page by page', async () => {
  await set({ sku, level: 10 })
  await set({ sku, level: 10 })
  await set({ sku, level: 12 }, { sku, type: 'forecast', level: 1 })
  await remove({ sku })
  const changes: Changes['items'] = []
  let cursor = ''
  do {
    const { body } = await reading.request<Changes>(`GET /v1/thresholds/history?sku=${sku}&limit=2${cursor}`)
    changes.push(...body.items)
    cursor = body.next ? `&cursor=${body.next}` : ''
  } while (cursor)
  assert.deepEqual(
    changes
      .toReversed()
      .filter(({ type }) => type === 'absolute')
      .map(({ before, after }) => [before?.level, after?.level]),
    [
      [undefined, 10],
      [10, 12],
      [12, undefined],
    ],
  )
  assert.equal(changes.length, 4)
  assert.ok(changes.every(({ actor, at }) => actor && Date.parse(at)))
  const { body } = await reading.request<Changes>(`GET /v1/thresholds/history?sku=${sku}&type=forecast&actor=nobody`)
  assert.deepEqual(body.items, [])
  await assert.rejects(sql`delete from threshold_change`, /append-only/)
  await assert.rejects(sql`update threshold_change set actor = 'x'`, /append-only/)
})

test('two who set the same thresholds at once leave a history in which each change begins where the one before ended', async () => {
  const names = ['A', 'B', 'C'].map(name => `${sku}-${name}`)
  await Promise.all(
    Array.from({ length: 12 }, (_, level) =>
      set(...(level % 2 ? names : names.toReversed()).map(name => ({ sku: name, level: level + 1 }))),
    ),
  )
  for (const name of names) {
    const rows = await sql<{ before: { level: number } | null; after: { level: number } }[]>`
      select before, after from threshold_change where sku = ${name}`
    const [{ level } = { level: 0 }] = await sql<{ level: number }[]>`select level::int from threshold where sku = ${name}`
    const next = new Map(rows.map(row => [row.before?.level, row.after.level]))
    let at: number | undefined
    for (let count = 0; count < rows.length; count++) at = next.get(at)
    assert.equal(at, level)
  }
})

test('deleting names what is not there and what does not fit, and ends the alert of a place at once', async () => {
  await set({ sku, level: 10 })
  const data = { sku, location: 'main', onHand: 5, reserved: 0, available: 5, version: 1, kind: 'set' }
  assert.equal(await evaluation.deliver('tidemark.stock.changed.v1', data), 204)
  const { body } = await remove({ sku }, { sku, type: 'forecast' }, { scope: 'category' }, { sku })
  assert.deepEqual(
    body.results.map(({ status, problem }) => [status, problem?.errors?.[0]?.field]),
    [
      [200, undefined],
      [404, undefined],
      [422, 'category'],
      [200, undefined],
    ],
  )
  const { body: alerts } = await reading.request<{ items: { state: string }[] }>(`GET /v1/alerts?sku=${sku}`)
  assert.deepEqual(
    alerts.items.map(({ state }) => state),
    ['resolved'],
  )
})

test('thresholds are listed by SKU, location, category, type and scope', async () => {
  await set(
    { sku, level: 1 },
    { sku, location: 'shop', level: 2 },
    { scope: 'sku', sku, type: 'forecast', level: 3 },
    { scope: 'category', category: 'wool', level: 4 },
    { scope: 'location', location: 'shop', level: 5 },
    { scope: 'default', level: 6 },
  )
  const levels = async (query: string) => {
    const found: number[] = []
    let cursor = ''
    do {
      const { body } = await reading.request<{ items: { level: number }[]; next: string | null }>(
        `GET /v1/thresholds?limit=1&${query}${cursor}`,
      )
      found.push(...body.items.map(({ level }) => level))
      cursor = body.next ? `&cursor=${body.next}` : ''
    } while (cursor)
    return found.sort()
  }
  assert.deepEqual(await levels(''), [1, 2, 3, 4, 5, 6])
  assert.deepEqual(await levels(`sku=${sku}`), [1, 2, 3])
  assert.deepEqual(await levels('location=shop'), [2, 5])
  assert.deepEqual(await levels('category=wool'), [4])
  assert.deepEqual(await levels('type=forecast'), [3])
  assert.deepEqual(await levels('scope=default'), [6])
})

test('what alerts know of SKUs is set, listed and forgotten, each row for itself', async () => {
  const { body } = await profile({ sku, category: 'Wool', packSize: 6 }, { sku: '?' }, { sku: `${sku}-B`, packSize: 0 })
  assert.deepEqual(
    body.results.map(({ status, problem }) => [status, problem?.errors?.[0]?.field]),
    [
      [200, undefined],
      [422, 'sku'],
      [422, 'packSize'],
    ],
  )
  const list = async (query: string) =>
    (await reading.request<{ items: object[] }>(`GET /v1/sku-profiles?${query}`)).body.items as Record<string, unknown>[]
  const [known] = await list(`sku=${sku}`)
  assert.deepEqual([known?.category, known?.packSize, known?.leadTimeDays, known?.minimumOrder], ['wool', 6, null, 0])
  assert.ok((await list('category=wool')).some(one => one.sku === sku))
  const forgotten = await setting.request<Results>('POST /v1/sku-profiles/delete', { body: { skus: [sku, 'NEVER'] } })
  assert.deepEqual(
    forgotten.body.results.map(({ status }) => status),
    [200, 404],
  )
  assert.deepEqual(await list(`sku=${sku}`), [])
})
