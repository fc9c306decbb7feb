import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type ClonedDatabase, cloneDatabase } from '../../test/environment.ts'
import { Rejected } from '../errors.ts'
import { type Call, Reply } from '../function/operation.ts'
import { idempotently } from './idempotency.ts'
import { type Database, openDatabase } from './postgres.ts'

let cloned: ClonedDatabase
let database: Database
before(async () => {
  cloned = await cloneDatabase('payments')
  database = openDatabase({ url: cloned.url, pool: 6, service: 'test' })
  await database.sql`create table effect (note text not null)`
})
after(async () => {
  await database.close()
  await cloned.drop()
})

const call = (key: string | undefined, fingerprint = 'body'): Call => ({
  ...{ subject: 'anna', client: 'shop', scopes: new Set<string>(), fingerprint },
  ...(key !== undefined && { idempotencyKey: key }),
})

let count = 0
const work = (given: Call) =>
  idempotently(database, given, async tx => {
    await tx`insert into effect (note) values (${given.idempotencyKey ?? 'none'})`
    return Reply.of(201, { number: ++count }, { location: '/somewhere' })
  })
const effects = async (note: string) => (await database.sql`select 1 from effect where note = ${note}`).length

test('the same key with the same body is given the first answer, and its effect happened once', async () => {
  const first = await work(call('a'))
  const again = await work(call('a'))
  assert.deepEqual([again.status, again.text], [201, first.text])
  assert.equal(again.headers['idempotency-replayed'], 'true')
  assert.equal(first.headers['idempotency-replayed'], undefined)
  assert.equal(await effects('a'), 1)
})

test('the same key with another body is refused', async () => {
  await work(call('b'))
  await assert.rejects(work(call('b', 'other')), (error: Rejected) => error.code === 'idempotency_key_reused')
  assert.equal(await effects('b'), 1)
})

test('of many at once with one key one has an effect, and all get its answer', async () => {
  const replies = await Promise.all(Array.from({ length: 6 }, () => work(call('c'))))
  assert.equal(new Set(replies.map(reply => reply.text)).size, 1)
  assert.equal(await effects('c'), 1)
})

test('work that fails leaves no answer behind, so that it can be tried again', async () => {
  const failing = idempotently(database, call('d'), async tx => {
    await tx`insert into effect (note) values ('d')`
    throw new Rejected('not_found')
  })
  await assert.rejects(failing, Rejected)
  assert.equal(await effects('d'), 0)
  assert.equal((await work(call('d'))).status, 201)
})

test('without a key every request is a new one', async () => {
  await work(call(undefined))
  await work(call(undefined))
  assert.equal(await effects('none'), 2)
})
