import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import postgres from 'postgres'
import { type Database, openDatabase } from '../../shared/data/postgres.ts'
import { Transient } from '../../shared/errors.ts'
import { type ClonedDatabase, cloneDatabase, startFunction } from '../../test/environment.ts'
import { addedTo, addMonths, monthOf, months, openEnd, partitionsOf } from './partitions.ts'
import { reconcileInventory } from './reconcile-round.ts'

let cloned: ClonedDatabase
let sql: postgres.Sql
let database: Database
beforeEach(async () => {
  cloned = await cloneDatabase('inventory')
  sql = postgres(cloned.url, { max: 2, onnotice: () => {} })
  database = openDatabase({ url: cloned.url, pool: 2, service: 'test' })
})
afterEach(async () => {
  await Promise.all([database.close(), sql.end()])
  await cloned.drop()
})

const today = new Date()
const inMonths = (count: number) => new Date(addedTo(monthOf(today), count).getTime() + 86_400_000)
let version = 0
const sell = (at: Date) => sql`
  insert into movement (sku, location, version, kind, on_hand_delta, reserved_delta, actor, at)
  values ('A', 'main', ${++version}, 'reserve', 0, 1, 'test', ${at})`
const partitionOf = async (at: Date) =>
  (await sql<{ name: string }[]>`select tableoid::regclass::text as name from movement where at = ${at}`)[0]?.name

/** Every moment has one place: each part begins where the one before ends. */
async function assertGapless() {
  const found = await partitionsOf(database.sql)
  assert.deepEqual([found[0]?.begins, found.at(-1)?.ends, found.at(-1)?.name], [null, null, openEnd])
  for (const [at, { begins }] of found.slice(1).entries()) assert.deepEqual(begins, found[at]?.ends)
  return found
}

test('a new ledger has a place for every moment, and months ahead', async () => {
  await assertGapless()
  const { ahead, isLate, added } = await addMonths(database, today)
  assert.deepEqual([ahead, isLate, added], [months.added, false, []])
})

test('months are added before the last one begins, and those that are there keep their movements', async () => {
  await sell(today)
  const now = inMonths(months.added - 1)
  const { ahead, added } = await addMonths(database, now)
  assert.ok(ahead >= months.fewest && added.length > 0)
  const found = await assertGapless()
  assert.ok(found.filter(({ begins }) => begins && begins > now).length > months.fewest)
  await sell(now)
  assert.match((await partitionOf(now)) ?? '', /^movement_\d{6}$/)
  assert.equal((await sql`select from movement`).length, 2)
  const indexes = await sql`select count(*)::int as n from pg_index where indrelid = ${added[0] as string}::regclass`
  assert.deepEqual(indexes[0]?.n, 5, 'a month that was added has the indexes of the others')
})

test('a sale finds its place when nobody added months for years, and is told as late until months are there again', async () => {
  const [late, soon, now] = [inMonths(30), inMonths(31), inMonths(31)]
  await sell(late)
  await sell(soon)
  assert.equal(await partitionOf(late), openEnd)
  const { isLate, added } = await addMonths(database, now)
  assert.deepEqual([isLate, added.length > months.added], [true, true])
  await assertGapless()
  for (const at of [late, soon]) assert.notEqual(await partitionOf(at), openEnd)
  await sell(inMonths(33))
  assert.match((await partitionOf(inMonths(33))) ?? '', /^movement_\d{6}$/)
})

test('somebody who reads the ledger for long delays new months and not a sale', async () => {
  const reader = await sql.reserve()
  try {
    await reader`begin`
    await reader`select count(*) from movement`
    const began = performance.now()
    const attempt = addMonths(database, inMonths(months.added))
    const sold = sell(today)
    await assert.rejects(attempt, Transient)
    await sold
    assert.ok(performance.now() - began < 3_000)
    await reader`rollback`
  } finally {
    reader.release()
  }
  assert.ok((await addMonths(database, inMonths(months.added))).added.length > 0)
})

test('the round by the clock adds months, and its metrics say how many there are and that they came late', async () => {
  const rounds = await startFunction(reconcileInventory, { INVENTORY_DATABASE_URL: cloned.url })
  const metric = async (name: string) =>
    (await (await fetch(rounds.metricsUrl)).text()).match(new RegExp(`^tidemark_movement_${name}\\S* (\\d+)`, 'm'))?.[1]
  try {
    assert.equal(await rounds.tick(), 204)
    assert.deepEqual([await metric('months_ahead'), await metric('late')], [String(months.added), '0'])
    await sell(inMonths(12))
    assert.equal(await rounds.tick(), 204)
    assert.equal(await metric('late'), '1')
    assert.equal(await rounds.tick(), 204)
    assert.equal(await metric('late'), '0')
  } finally {
    await rounds.stop()
  }
})

test('two who add months at once add them once', async () => {
  await Promise.all([addMonths(database, inMonths(5)), addMonths(database, inMonths(5))])
  await assertGapless()
})

test('a ledger that was filled before it had months keeps every movement where it was', async () => {
  const { migrationText } = await import('../../shared/data/migration-files.ts')
  await sql`create schema old`
  const old = postgres(cloned.url, { max: 1, onnotice: () => {}, connection: { search_path: 'old' } })
  try {
    for (const name of ['0001_stock', '0002_locations_parts_transfers', '0003_history', '0004_proof_and_counts']) {
      await old.unsafe(await migrationText(`inventory/${name}.sql`))
    }
    const ahead = inMonths(2)
    await old`
      insert into movement (sku, location, version, kind, on_hand_delta, reserved_delta, actor, at)
      select 'S', 'main', n, 'reserve', 0, 1, 'test', timestamptz '2019-06-01' + n * interval '1 month' from generate_series(1, 20) n`
    await old`insert into movement values ('S', 'main', 21, 'reserve', 0, 1, null, null, 'test', ${ahead})`
    await old.unsafe(`begin; ${await migrationText('inventory/0007_movement_by_month.sql')}; commit`)
    const found = await old`select tableoid::regclass::text as part, count(*)::int as movements from movement group by 1`
    assert.deepEqual([...found], [{ part: 'movement_first', movements: 21 }], 'also what is ahead of the clock')
    await old`insert into movement values ('S', 'main', 22, 'reserve', 0, 1, null, null, 'test', ${inMonths(3)})`
    await assert.rejects(
      old`insert into movement values ('S', 'main', 22, 'reserve', 0, 1, null, null, 'test', ${inMonths(3)})`,
      /duplicate key/,
    )
  } finally {
    await old.end()
  }
})
