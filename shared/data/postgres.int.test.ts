import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ClonedDatabase, cloneDatabase } from '../../test/environment.ts'
import { Rejected, Transient } from '../errors.ts'
import { type Database, isUniqueViolation, openDatabase, transientOr } from './postgres.ts'

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

test('a connection that is lost in a transaction is transient, and the next transaction works', async () => {
  const lost = database.transaction(async tx => {
    await tx`select pg_terminate_backend(pg_backend_pid())`
  })
  await assert.rejects(lost, Transient)
  await database.transaction(tx => tx`select 1`)
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
  await assert.rejects(away.ready())
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
