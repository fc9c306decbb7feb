import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import postgres from 'postgres'
import { v7 as newId } from 'uuid'
import { type Database, openDatabase } from '../../shared/data/postgres.ts'
import { type ClonedDatabase, cloneDatabase, type Started, startFunction } from '../../test/environment.ts'
import { type ArchiveOptions, archive } from './archive.ts'
import { restoreArchive } from './archive-restore.ts'
import { inventory } from './inventory.ts'
import { addedTo, monthOf, partitionsOf } from './partitions.ts'

let cloned: ClonedDatabase
let sql: postgres.Sql
let database: Database
let stock: Started
let folder: string
beforeEach(async () => {
  cloned = await cloneDatabase('inventory')
  sql = postgres(cloned.url, { max: 3, onnotice: () => {} })
  database = openDatabase({ url: cloned.url, pool: 3, service: 'test' })
  stock = await startFunction(inventory, { INVENTORY_DATABASE_URL: cloned.url })
  folder = await mkdtemp(join(tmpdir(), 'tidemark-ledger-'))
  await receive('A', 10)
  await receive('B', 7)
  await reserve('A', 4)
  await sendBack()
  await age()
})
afterEach(async () => {
  await Promise.all([stock.stop(), database.close(), sql.end(), rm(folder, { recursive: true })])
  await cloned.drop()
})

/** The first day of this month, and of the next. */
const thisMonth = monthOf(new Date())
const later = addedTo(thisMonth, 1)
/** What was done until now was done in the two months before. */
const age = () =>
  sql.begin(async tx => {
    const [older, old] = [addedTo(thisMonth, -1), thisMonth].map(time => time.toISOString())
    await tx.unsafe(`
      alter table movement detach partition movement_first;
      create table movement_older partition of movement for values from (minvalue) to ('${older}');
      create table movement_old partition of movement for values from ('${older}') to ('${old}');
      insert into movement select sku, location, version, kind, on_hand_delta, reserved_delta, reason, reference, actor,
        timestamptz '${old}' - case version when 1 then interval '40 days' else interval '5 days' end from movement_first;
      truncate movement_first;
      alter table movement attach partition movement_first for values from ('${old}') to ('${later.toISOString()}');
      update transfer set created_at = '${old}'::timestamptz - interval '40 days'`)
  })
/** Keeps this month. */
const run = (options: Partial<ArchiveOptions> = {}) =>
  archive({ database, folder, keep: 1, now: () => later, newId, say: () => {}, ...options })

const receive = async (sku: string, quantity: number) =>
  assert.equal((await stock.request('POST /v1/stock/receipts', { body: { lines: [{ sku, quantity }] } })).status, 201)
const reserve = async (sku: string, quantity: number) => {
  const { status, body } = await stock.request<{ id: string }>('POST /v1/reservations', { body: { lines: [{ sku, quantity }] } })
  assert.equal(status, 201)
  return body.id
}
/** A transfer that came to its end. */
const sendBack = async () => {
  const lines = [{ sku: 'B', quantity: 2 }]
  const { body } = await stock.request<{ id: string }>('POST /v1/transfers', {
    body: { source: 'main', destination: 'shop', lines },
  })
  assert.equal((await stock.request(`POST /v1/transfers/${body.id}/receive`, { body: {} })).status, 200)
}
interface Proof {
  ok: boolean
  movements: number
  drift: Record<string, { kind: string; sku: string; expected: number; found: number }[]>
}
const prove = async (mode: 'incremental' | 'full') =>
  (await stock.request<Proof>(`GET /v1/stock/reconciliation?mode=${mode}`)).body
const assertProved = async (what: string) => {
  for (const mode of ['incremental', 'full'] as const) {
    const { ok, drift } = await prove(mode)
    assert.ok(ok, `${what}, ${mode}: ${JSON.stringify(drift)}`)
  }
}
const movements = async () => (await sql<{ n: number }[]>`select count(*)::int as n from movement`)[0]?.n
const sell = async () => {
  await reserve('A', 1)
  await receive('B', 5)
}

test('a month that is old enough leaves the ledger for a file, and every total is still proved', async () => {
  await sell()
  const { partitions, rows } = await run()
  assert.deepEqual([partitions, rows], [['movement_older', 'movement_old'], 5])
  const files = ['movement_old.csv.gz', 'movement_old.json', 'movement_older.csv.gz', 'movement_older.json']
  assert.deepEqual((await readdir(folder)).sort(), files)
  assert.equal(await movements(), 2)
  await assertProved('after the archive')
  assert.equal((await prove('full')).movements, 2, 'what is archived is not read')
  await receive('A', 1)
  await assertProved('after a sale behind the archive')
  assert.deepEqual((await run()).partitions, [], 'a second run finds nothing to do')
})

test('month after month is archived, and the sums of all of them are one base', async () => {
  assert.deepEqual((await run({ keep: 2 })).partitions, ['movement_older'])
  await assertProved('after the first')
  assert.deepEqual((await run()).partitions, ['movement_old'])
  assert.equal(await movements(), 0)
  await assertProved('with nothing left in the ledger')
  await sell()
  await assertProved('with the first movements behind it')
})

test('whatever is wrong after the archive is found as before it', async () => {
  await sell()
  await run()
  const find = async (tamper: PromiseLike<unknown>) => {
    await tamper
    const { ok, drift } = await prove('full')
    return [
      ok,
      Object.values(drift)
        .flat()
        .map(({ kind }) => kind),
    ]
  }
  assert.deepEqual(await find(sql`update stock set on_hand = on_hand + 1 where sku = 'A'`), [false, ['on_hand']])
  await sql`update stock set on_hand = on_hand - 1 where sku = 'A'`
  await assertProved('put right')
  assert.deepEqual(await find(sql`delete from movement where sku = 'A'`), [false, ['ledger', 'reserved']])
})

test('a version that two months have is found, also where another one is missing', async () => {
  const at = new Date(later.getTime() + 5_000)
  await prove('incremental')
  const doubled = sql`
    insert into movement (sku, location, version, kind, on_hand_delta, reserved_delta, actor, at)
    values ('A', 'main', 1, 'receive', 10, 0, 'test', ${at})`
  await doubled
  assert.deepEqual((await prove('full')).drift.ledger?.map(({ kind, sku }) => [kind, sku])[0], ['ledger', 'A'])
  await sql`delete from movement where sku = 'A' and version = 2`
  await sql`update movement set on_hand_delta = 0, reserved_delta = 4 where sku = 'A' and at = ${at}`
  const { ok, drift } = await prove('full')
  assert.deepEqual([ok, drift.ledger?.[0]?.kind], [false, 'ledger'])
})

test('interrupted between any two steps, the next run brings it to its end, and all is proved in between', async () => {
  class Crash extends Error {}
  for (let step = 1; ; step++) {
    let lines = 0
    try {
      await run({
        say: () => {
          if (++lines === step) throw new Crash()
        },
      })
      break
    } catch (error) {
      assert.ok(error instanceof Crash, String(error))
      await assertProved(`interrupted after line ${step}`)
    }
    assert.ok(step < 20)
  }
  assert.equal(await movements(), 0)
  await assertProved('in the end')
  const [archived] = await sql`select sum(rows)::int as rows, bool_and(dropped_at is not null) as gone from movement_archive`
  assert.deepEqual({ ...archived }, { rows: 5, gone: true })
})

test('a detaching that was interrupted in its middle is finished', async () => {
  const reader = await sql.reserve()
  await reader`begin`
  await reader`select count(*) from movement`
  const stopped = archive({ database: impatient(), folder, keep: 1, now: () => later, newId, say: () => {} })
  await assert.rejects(stopped)
  await reader`rollback`
  reader.release()
  assert.deepEqual(
    (await partitionsOf(database.sql)).filter(({ isLeaving }) => isLeaving).map(({ name }) => name),
    ['movement_older'],
  )
  await assertProved('while it is leaving')
  await sell()
  assert.deepEqual((await run()).partitions, ['movement_older', 'movement_old'])
})

/** Its statements end after half a second, as if somebody had cancelled them. */
const impatient = (): Database => ({
  ...database,
  async session() {
    const session = await database.session()
    const { sql: own } = session
    return {
      ...session,
      sql: new Proxy(own, {
        apply: (target, self, args) =>
          String((args[0] as string[])[0]).includes('statement_timeout')
            ? own`set statement_timeout = 500`
            : Reflect.apply(target, self, args),
      }),
    }
  },
})

test('sales go on while a month is archived', async () => {
  let stop = false
  let slowest = 0
  const sales = (async () => {
    while (!stop) {
      const began = performance.now()
      await receive('A', 1)
      slowest = Math.max(slowest, performance.now() - began)
    }
  })()
  const { partitions } = await run()
  stop = true
  await sales
  assert.equal(partitions.length, 2)
  assert.ok(slowest < 3_000, `${slowest} ms`)
  await assertProved('after sales during the archive')
})

test('of two who archive at once one does it', async () => {
  const both = await Promise.allSettled([run(), run()])
  const refused = both.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
  assert.deepEqual(
    refused.map(({ reason }) => (reason as Error).message),
    ['The ledger is being archived already.'],
  )
  assert.equal(await movements(), 0)
  await assertProved('after both')
})

test('nothing is archived while stock drifts or something open still needs it', async () => {
  const lines = [{ sku: 'B', quantity: 1 }]
  await stock.request('POST /v1/transfers', { body: { source: 'main', destination: 'shop', lines } })
  await sql`update transfer set created_at = ${addedTo(thisMonth, -2)}`
  await assert.rejects(run(), /1 transfers from before its end are still in transit/)
  await sql`update stock set on_hand = 11 where sku = 'A'`
  await assert.rejects(run(), /stock drifts in 1 rows/)
  assert.equal(await movements(), 6)
})

test('a file that is not what was written stops everything before a row is gone', async () => {
  let lines = 0
  const crash = run({
    say: line => {
      lines++
      if (line.includes('read back')) throw new Error('stopped')
    },
  })
  await assert.rejects(crash, /stopped/)
  const file = join(folder, 'movement_older.csv.gz')
  const bytes = await readFile(file)
  bytes[bytes.length - 3] = (bytes.at(-3) as number) ^ 1
  await writeFile(file, bytes)
  await assert.rejects(run())
  assert.ok(lines > 0)
  assert.equal(await movements(), 5)
})

test('archived movements are looked at again in a table of their own', async () => {
  const asked = sql`sku, location, version::int, kind, reference, at`
  const before = await sql`select ${asked} from movement_old order by sku, location, version`
  await run()
  const manifest = join(folder, 'movement_old.json')
  const table = await restoreArchive(database, manifest, () => {})
  assert.deepEqual([...(await sql`select ${asked} from ${sql(table)} order by sku, location, version`)], [...before])
  assert.equal(await movements(), 0, 'the ledger stays as it is')
  const again = restoreArchive(database, manifest, () => {})
  await assert.rejects(again, /is there already/)
})
