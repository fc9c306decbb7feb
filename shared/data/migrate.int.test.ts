import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import postgres from 'postgres'
import { cloneDatabase, serviceUrls } from '../../test/environment.ts'
import { Transient } from '../errors.ts'
import { databases } from '../function/resources.ts'
import { migrate } from './migrate.ts'
import { openDatabase } from './postgres.ts'

const server = serviceUrls().postgres
const name = `test_migrate_${randomBytes(6).toString('hex')}`
const url = `${server}/${name}`
const sql = postgres(`${server}/postgres`, { max: 1 })
before(() => sql.unsafe(`create database ${name}`))
after(async () => {
  await sql.unsafe(`drop database ${name} with (force)`)
  await sql.end()
})

test('processes that migrate at once apply each file once, and a later one finds nothing to do', async () => {
  const ran = await Promise.all(Array.from({ length: 4 }, () => migrate({ url, database: 'inventory' })))
  const applied = ran.flat()
  assert.equal(applied.length, new Set(applied).size)
  assert.ok(applied.includes('inventory/0001_stock.sql'))
  assert.equal(applied[0]?.startsWith('every/'), true, 'what every database has comes first')
  assert.deepEqual(await migrate({ url, database: 'inventory' }), [])
})

test('a function is not ready before its database has every migration that its build brings', async () => {
  const cloned = await cloneDatabase('orders')
  const open = () => openDatabase({ url: cloned.url, pool: 1, service: 'test', migrations: 'orders' })
  const [early, later] = [open(), open()]
  await early.sql`delete from migration where name = 'orders/0001_orders.sql'`
  await assert.rejects(early.ready(), (error: Transient) => {
    assert.ok(error instanceof Transient)
    assert.equal(error.message, 'The database lacks orders/0001_orders.sql.')
    return true
  })
  await early.sql`insert into migration (name) values ('orders/0001_orders.sql'), ('orders/9999_of_a_newer_build.sql')`
  await early.ready()

  await early.sql`drop table migration`
  await early.ready()
  await assert.rejects(later.ready(), /lacks every\/0001_.*orders\/0001_/, 'one that was never migrated lacks all')
  await Promise.all([early, later].map(database => database.close()))
  await cloned.drop()
})

test('every service has migrations', async () => {
  const own = postgres(server, { max: 1 })
  for (const database of databases) {
    const rows = await sql`select 1 from pg_database where datname = ${`tidemark_template_${database}`}`
    assert.equal(rows.length, 1, database)
  }
  await own.end()
})
