import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import postgres from 'postgres'
import { type ClonedDatabase, cloneDatabase } from '../../test/environment.ts'

/** Citus cannot be run here: what its documentation asks of a table is asked of ours. */
const script = await readFile(new URL('../../knative/platform/postgres/distribute.sql', import.meta.url), 'utf8')
const distributed = [...script.matchAll(/create_distributed_table\('(\w+)', '(\w+)', colocate_with => '(\w+)'/g)].map(
  ([, table, column, beside]) => ({ table: table as string, column: column as string, beside: beside as string }),
)
const references = [...script.matchAll(/create_reference_table\('(\w+)'\)/g)].map(([, table]) => table as string)

let cloned: ClonedDatabase
let sql: postgres.Sql
before(async () => {
  cloned = await cloneDatabase('inventory')
  sql = postgres(cloned.url, { max: 1 })
})
after(async () => {
  await sql.end()
  await cloned.drop()
})

test('every key of a distributed table contains the column that it is distributed by', async () => {
  assert.ok(distributed.length > 4)
  for (const { table, column } of distributed) {
    const keys = await sql<{ name: string; columns: string[] }[]>`
      select i.indexrelid::regclass::text as name,
        array(select attname::text from pg_attribute where attrelid = i.indrelid and attnum = any (i.indkey)) as columns
      from pg_index i where i.indrelid = ${table}::regclass and i.indisunique`
    assert.ok(keys.length > 0, table)
    for (const { name, columns } of keys) assert.ok(columns.includes(column), `${name} is a key without ${column}`)
  }
})

test('tables that lie beside each other are distributed by columns of one type', async () => {
  const typeOf = async (table: string, column: string) =>
    (
      await sql`select atttypid::regtype::text as type from pg_attribute where attrelid = ${table}::regclass and attname = ${column}`
    )[0]?.type
  for (const { table, column, beside } of distributed.filter(found => found.beside !== 'none')) {
    const other = distributed.find(found => found.table === beside)
    assert.ok(other, `${table} lies beside ${beside}`)
    assert.equal(await typeOf(table, column), await typeOf(other.table, other.column))
  }
})

test('a foreign key of a distributed table leads nowhere but to its own worker or to a reference table', async () => {
  const keys = await sql<{ from: string; to: string }[]>`
    select conrelid::regclass::text as from, confrelid::regclass::text as to from pg_constraint where contype = 'f' and conparentid = 0`
  const besideOf = (table: string) => {
    const found = distributed.find(one => one.table === table)
    return found && (found.beside === 'none' ? found.table : found.beside)
  }
  for (const { from, to } of keys) {
    if (besideOf(from)) assert.ok(references.includes(to) || besideOf(from) === besideOf(to), `${from} refers to ${to}`)
    else assert.ok(!besideOf(to), `${from}, on the coordinator, refers to ${to}`)
  }
})
