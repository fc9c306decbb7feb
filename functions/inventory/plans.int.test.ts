import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import postgres from 'postgres'
import type { Queryable, Sql } from '../../shared/data/postgres.ts'
import { type ClonedDatabase, cloneDatabase } from '../../test/environment.ts'
import { type LevelFilter, listLevels, readLevel, readLevels } from './levels.ts'
import { listMovements, type MovementFilter } from './movements.ts'

/**
 * The plans that make reads independent of how much there is, kept at a small size: 2,000 SKUs at 5 places and 40,000 movements are
 * enough for a wrong plan to read a hundred times what a right one reads.
 */
let cloned: ClonedDatabase
let sql: postgres.Sql
/** Under the names of the whole table's: a part's own are called after its columns. */
let indexes: { name: string; table: string; called: string; isEmpty: boolean }[]
let asked: { text: string; parameters: unknown[] } | undefined
before(async () => {
  cloned = await cloneDatabase('inventory')
  sql = postgres(cloned.url, {
    max: 1,
    debug: (_connection, text, parameters) => {
      asked = { text, parameters }
    },
  })
  // Two parts with movements, and months ahead with none.
  await sql.unsafe(`
    drop table movement_first;
    create table movement_early partition of movement for values from (minvalue) to ('2020-01-01T00:30:00Z');
    create table movement_late partition of movement for values from ('2020-01-01T00:30:00Z') to ('2021-01-01')`)
  await sql`
    insert into stock (sku, location, on_hand, version)
    select 'P-' || lpad(n::text, 5, '0'), 'place-' || l, n, 4 from generate_series(1, 2000) n, generate_series(1, 5) l`
  await sql`
    insert into movement (sku, location, version, kind, on_hand_delta, reserved_delta, reference, actor, at)
    select 'P-' || lpad((n % 2000 + 1)::text, 5, '0'), 'place-' || (n / 2000 % 5 + 1), n / 10000 + 1, 'reserve', 0, 1,
           'ORDER-' || n / 3, 'actor', timestamptz '2020-01-01T00:00:00Z' + n / 10 * interval '1 second'
    from generate_series(0, 39999) n`
  await sql`vacuum (analyze) stock, movement`
  indexes = await sql`
    select c.relname as name, t.relname as "table", coalesce(p.relname, c.relname) as called, pg_relation_size(t.oid) = 0 as "isEmpty"
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid
    left join pg_inherits h on h.inhrelid = c.oid left join pg_class p on p.oid = h.inhparent
    where t.relname like 'movement%' or t.relname = 'stock'`
})
after(async () => {
  await sql.end()
  await cloned.drop()
})

interface Node {
  'Node Type': string
  'Index Name'?: string
  'Relation Name'?: string
  'Actual Rows'?: number
  'Actual Loops'?: number
  'Rows Removed by Filter'?: number
  Plans?: Node[]
}
const nodesOf = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)]
const planIn = (rows: readonly unknown[]) => (rows[0] as { 'QUERY PLAN': { Plan: Node }[] })['QUERY PLAN'][0]?.Plan as Node

/** The statement's plan for its values, with what it read, and the one that any values would be given once it is prepared. */
async function plansOf(run: (sql: Queryable) => PromiseLike<unknown>) {
  await run(sql as unknown as Sql)
  const { text, parameters } = asked as { text: string; parameters: unknown[] }
  const own = planIn(await sql.unsafe(`explain (analyze, format json) ${text}`, parameters as string[]))
  await sql`set plan_cache_mode = force_generic_plan`
  await sql.unsafe(`prepare asked as ${text}`)
  const values = parameters.length > 0 ? `(${parameters.map(literal).join(', ')})` : ''
  const general = planIn(await sql.unsafe(`explain (format json) execute asked${values}`))
  await sql`deallocate asked`
  await sql`reset plan_cache_mode`
  return { own: nodesOf(own), general: nodesOf(general) }
}

/** Parts of the ledger are left out by the values even where the plan does not depend on them. */
const literal = (value: unknown): string =>
  value === null || value === undefined ? 'null' : Array.isArray(value) ? `'{${value.join(',')}}'` : `'${String(value)}'`

const scans = (nodes: readonly Node[]) => nodes.filter(node => /(Index|Index Only|Seq|Heap) Scan$/.test(node['Node Type']))
const read = (nodes: readonly Node[]) =>
  scans(nodes)
    .filter(node => node['Node Type'] !== 'Bitmap Index Scan')
    .reduce(
      (sum, node) => sum + ((node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0)) * (node['Actual Loops'] ?? 1),
      0,
    )

const isOfEmpty = (node: Node): boolean =>
  indexes.some(({ name, table, isEmpty }) => isEmpty && (name === node['Index Name'] || table === node['Relation Name']))
const calledIndex = (node: Node): string | undefined => indexes.find(({ name }) => name === node['Index Name'])?.called

async function assertConfined(what: string, index: string, most: number, run: (sql: Queryable) => PromiseLike<unknown>) {
  const { own, general } = await plansOf(run)
  for (const [plan, nodes] of [
    ['own', own],
    ['general', general],
  ] as const) {
    // A bitmap is right for values known to be few; any values are better met in the index's order, which ends with the page.
    const leaves = scans(nodes).filter(node => plan === 'general' || node['Node Type'] !== 'Bitmap Heap Scan')
    // How nothing is read does not matter: a month that is filled is planned for anew.
    const used = leaves.filter(node => !isOfEmpty(node)).map(node => calledIndex(node) ?? node['Node Type'])
    assert.ok(used.length > 0 && used.every(name => name.includes(index)), `${what}, ${plan} plan: ${used} instead of ${index}`)
  }
  assert.ok(read(own) <= most, `${what} reads ${read(own)} rows`)
}

const limit = 20
/** The rows of a page and the one more that tells of the next, as the constant that they are limited by, and those of the same moments at both ends. */
const aPage = 32 + 2 * 10

test('each question to the ledger is answered by its index, from a page of rows', async () => {
  const [sku, location, reference] = ['P-00007', 'place-2', 'ORDER-77']
  const [from, to] = ['2020-01-01T00:10:00Z', '2020-01-01T00:40:00Z']
  const cases: [string, string, MovementFilter][] = [
    ['everything', 'movement_by_time', {}],
    ['a span of time', 'movement_by_time', { from, to }],
    ['a SKU', 'movement_by_sku', { sku }],
    ['a SKU in a span of time', 'movement_by_sku', { sku, from, to }],
    ['a row of stock', 'movement_pkey', { sku, location }],
    ['a location', 'movement_by_location', { location }],
    ['a location in a span of time', 'movement_by_location', { location, from, to }],
    ['a reference', 'movement_by_reference', { reference }],
  ]
  const key = { micros: String(Date.parse('2020-01-01T00:35:00Z') * 1_000), sku, location, version: '3' }
  for (const [what, index, filter] of cases) {
    await assertConfined(what, index, aPage, found => listMovements(found, filter, undefined, limit))
    await assertConfined(`${what}, the next page`, index, aPage, found => listMovements(found, filter, key, limit))
  }
})

test('each list of stock goes along an index, a page at a time', async () => {
  const [sku, location] = ['P-00900', 'place-2']
  const cases: [string, string, LevelFilter][] = [
    ['everything', 'stock_by_location', {}],
    ['a location', 'stock_by_location', { location }],
    ['a search', 'stock_pkey', { prefix: 'P-00' }],
    ['a search at a location', 'stock_by_location', { prefix: 'P-00', location }],
  ]
  for (const [what, index, filter] of cases) {
    await assertConfined(what, index, limit + 1, found => listLevels(found, filter, undefined, limit))
    await assertConfined(`${what}, the next page`, index, limit + 1, found => listLevels(found, filter, { sku, location }, limit))
  }
  const skus = ['P-00003', 'P-00004']
  // By the key, or by the few locations that there are: newer servers skip from one to the next.
  await assertConfined('some SKUs', 'stock_', 10, found => listLevels(found, { skus }, undefined, limit))
  await assertConfined('a level', 'stock_', 1, found => readLevel(found, sku, location))
  await assertConfined('a SKU everywhere', 'stock_pkey', 5, found => readLevels(found, sku))
})

test('a sale changes no index of its stock: nothing there is indexed by its totals', async () => {
  const indexes = await sql<{ columns: string[] }[]>`
    select array_agg(pg_get_indexdef(indexrelid)) as columns from pg_index where indrelid = 'stock'::regclass`
  assert.doesNotMatch(String(indexes[0]?.columns), /on_hand|reserved|version|safety_stock/)
})
