import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import postgres from 'postgres'
import { serviceUrls } from '../../test/environment.ts'
import { databases } from '../function/resources.ts'
import { migrate } from './migrate.ts'

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

test('every service has migrations', async () => {
  const own = postgres(server, { max: 1 })
  for (const database of databases) {
    const rows = await sql`select 1 from pg_database where datname = ${`tidemark_template_${database}`}`
    assert.equal(rows.length, 1, database)
  }
  await own.end()
})
