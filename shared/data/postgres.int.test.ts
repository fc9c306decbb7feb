import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ClonedDatabase, cloneDatabase } from '../../test/environment.ts'
import { Rejected, Transient } from '../errors.ts'
import { type Database, isUniqueViolation, openDatabase, transientOr } from './postgres.ts'
import { together } from './together.ts'

let cloned: ClonedDatabase
let database: Database
before(async () => {
  cloned = await cloneDatabase('payments')
  database = openDatabase({ url: cloned.url, pool: 2, service: 'test' })
  await database.sql`create table place (id int primary key, held bigint not null check (held >= 0))`
  await database.sql`insert into place values (1, 10), (2, 10)`
})
after(async () => {
  await database.close()
  await cloned.drop()
})

test('a bigint is a number here', async () => {
  const [row] = await database.sql<{ held: number }[]>`select held from place where id = 1`
  assert.equal(row?.held, 10)
})

test('lists arrive as they were given, whatever they hold', async () => {
  const texts = ['', 'a,b', 'say "hi"', 'back\\\\slash', '{}', 'null', 'ünï', ' ', "it's", 'two\nlines\t"and" \\', '\u0001', '😀']
  const numbers = [0, -1, 2 ** 53 - 1]
  const [row] = await database.sql<{ texts: unknown; numbers: unknown; missing: unknown; none: unknown }[]>`
    select to_jsonb(${texts}::text[]) as texts, to_jsonb(${numbers}::bigint[]) as numbers,
           to_jsonb(${['a', null]}::text[]) as missing, to_jsonb(${[]}::uuid[]) as none`
  assert.deepEqual({ ...row }, { texts, numbers, missing: ['a', null], none: [] })
})

test('of statements that were sent together the failure is told that made the others fail', async () => {
  const division = database.transaction(tx => {
    const later = async () => {
      await new Promise(resolve => setTimeout(resolve, 20))
      await tx`select 1`
    }
    return together([later(), tx`select 1 / 0`])
  })
  await assert.rejects(division, { code: '22012' })
})

test('a connection that is lost in a transaction is transient, and the next transaction works', async () => {
  const lost = database.transaction(async tx => {
    await tx`select pg_terminate_backend(pg_backend_pid())`
  })
  await assert.rejects(lost, Transient)
  await database.transaction(tx => tx`select 1`)
})

test('more transactions than connections wait for one, and none is opened beyond the limit', async () => {
  const seen = await Promise.all(
    Array.from({ length: 12 }, () =>
      database.transaction(async tx => {
        const [row] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid, pg_sleep(0.01)`
        return row?.pid
      }),
    ),
  )
  assert.ok(new Set(seen).size <= 2, `${new Set(seen).size} connections`)
})

test('what waits for a connection while all are killed is given new ones', async () => {
  const results = await Promise.allSettled(
    Array.from({ length: 6 }, (_, index) =>
      database.transaction(async tx => {
        if (index < 2) await tx`select pg_terminate_backend(pg_backend_pid())`
        await tx`select 1`
      }),
    ),
  )
  assert.deepEqual(
    results.map(({ status }) => status),
    [...Array(2).fill('rejected'), ...Array(4).fill('fulfilled')],
  )
})

test('a failed statement that nobody noticed does not pass for a commit', async () => {
  const careless = database.transaction(async tx => {
    await tx`select 1 / 0`.catch(() => {})
  })
  await assert.rejects(careless, /rolled back/)
})

test('a deadlock is transient for the one that lost', async () => {
  const { promise: bothHold, resolve } = Promise.withResolvers<void>()
  let holding = 0
  const swap = (first: number, second: number) =>
    database.transaction(async tx => {
      await tx`update place set held = held where id = ${first}`
      if (++holding === 2) resolve()
      await bothHold
      await tx`update place set held = held where id = ${second}`
    })
  const results = await Promise.allSettled([swap(1, 2), swap(2, 1)])
  const failed = results.flatMap(result => (result.status === 'rejected' ? [result.reason] : []))
  assert.equal(failed.length, 1)
  assert.ok(failed[0] instanceof Transient)
})

test('a database that is not there is transient', async () => {
  const away = openDatabase({ url: 'postgres://nobody:x@127.0.0.1:1/x', pool: 1, service: 'test' })
  await assert.rejects(
    away.transaction(tx => tx`select 1`),
    Transient,
  )
  await assert.rejects(away.ready(), Transient)
  await away.close()
})

test('what trying again does not mend stays what it is', async () => {
  const rejected = new Rejected('not_found')
  assert.equal(transientOr(rejected), rejected)
  assert.equal(transientOr(undefined), undefined)
  const twice = database.transaction(tx => tx`insert into place values (1, 1)`)
  await assert.rejects(twice, isUniqueViolation)
  const negative = database.transaction(tx => tx`update place set held = -1`)
  await assert.rejects(negative, (error: { code?: string }) => !(error instanceof Transient) && error.code === '23514')
})
