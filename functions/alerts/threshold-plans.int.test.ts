import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import postgres from 'postgres'
import type { Queryable, Sql, Tx } from '../../shared/data/postgres.ts'
import { type ClonedDatabase, cloneDatabase } from '../../test/environment.ts'
import { evaluate } from './evaluation.ts'
import { readContexts } from './threshold-context.ts'
import { listChanges, listThresholds } from './threshold-read.ts'
import { readThresholdsFor } from './threshold-store.ts'
import { lockPlaces } from './velocity-rows.ts'

/**
 * The plans that make evaluation and reads independent of how many thresholds there are, kept at a small size: among 20,000 of them a
 * wrong plan reads a hundred times what a right one reads.
 */
let cloned: ClonedDatabase
let sql: postgres.Sql
let asked: { text: string; parameters: unknown[] }[] = []
before(async () => {
  cloned = await cloneDatabase('alerts')
  sql = postgres(cloned.url, {
    max: 1,
    fetch_types: false,
    // As shared/data/postgres.ts does: arrays are text.
    types: Object.fromEntries(
      [1009, 1016].map(oid => [oid, { to: oid, from: [], serialize: arrayText, parse: (text: string) => text }]),
    ),
    debug: (_connection, text, parameters) => {
      asked.push({ text, parameters })
    },
  })
  await sql.unsafe(
    `
    insert into threshold (sku, location, level, resolve_above, updated_at, updated_by)
      select 'P-' || lpad(n::text, 5, '0'), 'place-' || l, 5, 6, now(), 'actor' from generate_series(1, 4000) n, generate_series(1, 4) l;
    insert into threshold (sku, location, category, rule, level, resolve_above, updated_at, updated_by)
      select 'P-' || lpad(n::text, 5, '0'), '', '', 'forecast', 5, 6, now(), 'actor' from generate_series(1, 4000) n
      union all select '', '', 'category-' || n, 'days_of_cover', 5, 6, now(), 'actor' from generate_series(1, 200) n
      union all select '', 'place-' || n, '', 'percentage', 5, 6, now(), 'actor' from generate_series(1, 4) n
      union all select '', '', '', 'percentage', 5, 6, now(), 'actor';
    insert into sku_profile (sku, category, pack_size, minimum_order, updated_at, updated_by)
      select 'P-' || lpad(n::text, 5, '0'), 'category-' || n % 200, 1, 0, now(), 'actor' from generate_series(1, 4000) n;
    insert into stock_seen (sku, location, available, version)
      select 'P-' || lpad(n::text, 5, '0'), 'place-' || l, 5, 1 from generate_series(1, 4000) n, generate_series(1, 4) l;
    insert into sales (sku, location, day, units) select sku, location, '2026-01-01', '{1,2,3}' from stock_seen;
    insert into breach (sku, location, rule, since, due_at)
      select sku, location, 'absolute', now(), now() from stock_seen where location = 'place-1';
    insert into alert (id, sku, location, state, severity, threshold, available, stock_version, raised_at, resolved_at)
      select gen_random_uuid(), sku, location, 'resolved', 'low', 5, 5, n, now() - n * interval '1 day', now()
      from stock_seen, generate_series(1, 3) n;
    insert into threshold_change (id, sku, location, category, rule, after, at, actor)
      select gen_random_uuid(), sku, location, category, rule, '{}', now() - random() * interval '90 days', 'actor' from threshold;
    vacuum (analyze) threshold; vacuum (analyze) sku_profile; vacuum (analyze) stock_seen; vacuum (analyze) sales;
    vacuum (analyze) breach; vacuum (analyze) alert; vacuum (analyze) threshold_change`.replaceAll('vacuum (analyze)', 'analyze'),
  )
})
after(async () => {
  await sql.end()
  await cloned.drop()
})

/** What was asked is asked again with its values as they were sent. */
const arrayText = (items: readonly unknown[] | string): string =>
  typeof items === 'string' ? items : `{${items.map(item => (item === null ? 'null' : `"${item}"`)).join(',')}}`

interface Node {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Actual Rows'?: number
  'Actual Loops'?: number
  'Rows Removed by Filter'?: number
  Plans?: Node[]
}
const nodesOf = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)]
const planIn = (rows: readonly unknown[]) => (rows[0] as { 'QUERY PLAN': { Plan: Node }[] })['QUERY PLAN'][0]?.Plan as Node
const isScan = (node: Node) => /(Index|Index Only|Seq|Heap) Scan$/.test(node['Node Type']) && node['Relation Name'] !== undefined
const read = (nodes: readonly Node[]) =>
  nodes
    .filter(isScan)
    .reduce(
      (sum, node) => sum + ((node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0)) * (node['Actual Loops'] ?? 1),
      0,
    )

/** Runs something, and has every statement of it planned for its values and for any: no table is walked, and few rows are read. */
async function assertIndexed(what: string, most: number, run: (sql: Queryable) => unknown) {
  asked = []
  await run(sql as unknown as Sql)
  const statements = asked.filter(({ text }) => /^\s*(select|with|insert)/i.test(text))
  assert.ok(statements.length > 0)
  for (const { text, parameters } of statements) {
    // What would be written is planned, not written.
    const isWrite = /^\s*insert/i.test(text)
    const own = planIn(await sql.unsafe(`explain (${isWrite ? '' : 'analyze, '}format json) ${text}`, parameters as string[]))
    await sql`set plan_cache_mode = force_generic_plan`
    await sql.unsafe(`prepare asked as ${text}`)
    const values = parameters.map(one => (one === null ? 'null' : `'${Array.isArray(one) ? arrayText(one) : one}'`)).join(', ')
    const general = planIn(await sql.unsafe(`explain (format json) execute asked${values ? `(${values})` : ''}`))
    await sql`deallocate asked`
    await sql`reset plan_cache_mode`
    for (const [kind, plan] of [
      ['own', own],
      ['general', general],
    ] as const) {
      const walked = nodesOf(plan).filter(node => node['Node Type'] === 'Seq Scan')
      assert.deepEqual(
        walked.map(node => node['Relation Name']),
        [],
        `${what}, ${kind} plan of ${text}`,
      )
    }
    assert.ok(read(nodesOf(own)) <= most, `${what} reads ${read(nodesOf(own))} rows: ${text}`)
  }
}

const places = Array.from({ length: 20 }, (_, index) => ({
  sku: `P-${String(index * 7 + 1).padStart(5, '0')}`,
  location: 'place-2',
}))

test('what a batch is judged by is looked up by its keys, whatever there is beside it', async () => {
  await assertIndexed('a batch', 8 * places.length, found => readContexts(found, places))
  await assertIndexed('thresholds of one place', 8, found => readThresholdsFor(found, ['P-00007'], ['place-2']))
})

test('the locks of a batch are taken by its keys', async () => {
  await assertIndexed('locks', 2 * places.length, async found => {
    await Promise.all(lockPlaces(found as never, places))
  })
})

test('a batch is judged and counted with as many statements as one event', async () => {
  const observed = (count: number, version: number) =>
    places.slice(0, count).map(place => ({
      ...{ ...place, available: 50, version, capacity: null, sold: { since: version - 1, units: 1 } },
      ...{ at: new Date('2026-01-01T12:00:00Z'), traceparent: '' },
    }))
  const statements = async (count: number, version: number) => {
    asked = []
    const { stale } = await sql.begin(tx => evaluate(tx as unknown as Tx, observed(count, version), randomUUID, new Date()))
    assert.equal(stale, 0)
    return asked.length
  }
  const one = await statements(1, 2)
  assert.equal(await statements(places.length, 3), one)
  assert.ok(one <= 11, `${one} statements`)
})

test('lists of thresholds and of their changes go along an index, a page at a time', async () => {
  const after = ['P-02000', 'place-2', '', 'absolute']
  for (const [what, filter] of [
    ['everything', {}],
    ['a SKU', { sku: 'P-00900' }],
    ['a location', { location: 'place-3' }],
    ['a category', { category: 'category-7' }],
  ] as const) {
    await assertIndexed(what, 40, found => listThresholds(found, filter, undefined, 20))
    await assertIndexed(`${what}, the next page`, 40, found => listThresholds(found, filter, after, 20))
  }
  for (const [what, filter] of [
    ['all changes', {}],
    ['changes of a SKU', { sku: 'P-00900' }],
    ['changes of a category', { category: 'category-7' }],
  ] as const) {
    await assertIndexed(what, 40, found => listChanges(found, filter, undefined, 20))
  }
})
