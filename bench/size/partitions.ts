import postgres from 'postgres'
import { v7 as newId } from 'uuid'
import type { Writes } from '../../functions/inventory/batch.ts'
import { load } from '../../functions/inventory/load.ts'
import type { StockRow } from '../../functions/inventory/stock.ts'
import { write } from '../../functions/inventory/write.ts'
import { openDatabase } from '../../shared/data/postgres.ts'
import { alternate, type Bound, compared, progress, type Result } from '../measure.ts'
import { openServer } from './server.ts'

/** Reservations that share a transaction under load. */
const together = 32
/** Many short rounds: what else the machine does falls on all sides of one, or on one side of few. */
const rounds = 80
const batches = 8
const skus = 100_000
/** Movements that are there before, so that an index has its depth. */
const movements = 400_000

type Shape = (schema: string, table: string) => string

/** `table` as the migrations leave it, but not partitioned. */
const whole: Shape = (schema, table) => `create table ${schema}.${table} (like public.${table} including all)`

const byHash =
  (parts: number): Shape =>
  (schema, table) =>
    [
      `create table ${schema}.${table} (like public.${table} including all) partition by hash (sku)`,
      ...Array.from(
        { length: parts },
        (_, n) =>
          `create table ${schema}.${table}_${n} partition of ${schema}.${table} for values with (modulus ${parts}, remainder ${n})`,
      ),
    ].join('; ')

/** A year, of which sales meet one month. */
const byMonth: Shape = (schema, table) =>
  [
    `create table ${schema}.${table} (like public.${table} including all) partition by range (at)`,
    ...Array.from(
      { length: 12 },
      (_, n) =>
        `create table ${schema}.${table}_${n} partition of ${schema}.${table} for values
           from (date_trunc('month', now()) + interval '${n - 10} months') to (date_trunc('month', now()) + interval '${n - 9} months')`,
    ),
  ].join('; ')

/** Each is a set of tables of its own; `movement` is partitioned by month where nothing else is said. */
const variants = {
  decided: { stock: whole, movement: byMonth },
  unpartitioned: { stock: whole, movement: whole },
  'stock in 4': { stock: byHash(4), movement: byMonth },
  'stock in 16': { stock: byHash(16), movement: byMonth },
  'movement in 16': { stock: whole, movement: byHash(16) },
  'with an index on time': { stock: whole, movement: byMonth, extra: 'create index on movement (at)' },
  'without the index by SKU': { stock: whole, movement: byMonth, extra: 'drop index movement_sku_at_idx' },
} as const satisfies Record<string, { stock: Shape; movement: Shape; extra?: string }>
type Variant = keyof typeof variants

/**
 * What partitions cost a sale: the inventory's own statements for batches of reservations, over one connection and without a commit,
 * on tables that differ in nothing but their partitions and indexes (docs/decisions/0012).
 */
export async function partitionsBench(): Promise<readonly Result[]> {
  const server = await openServer()
  try {
    const url = await server.database('inventory')
    const open = [] as Awaited<ReturnType<typeof openVariant>>[]
    for (const [name, tables] of Object.entries(variants)) {
      progress(`loading ${movements.toLocaleString('en-GB')} movements: ${name}`)
      open.push(await openVariant(url, `variant_${open.length}`, tables))
    }
    const sides = Object.fromEntries(Object.keys(variants).map((name, n) => [name, open[n]?.measure])) as Record<
      Variant,
      () => Promise<number>
    >
    for (const warm of Object.values(sides)) await warm()
    progress(`${rounds} rounds`)
    const measured = await alternate(rounds, sides, () => {})
    for (const variant of open) await variant.close()
    const against = (name: string, side: Variant, bound: Bound, reference: Variant = 'decided') =>
      compared(`a reservation's statements: ${name}`, 'µs', measured, side, reference, bound)
    return [
      against('movement by month, against one table', 'decided', { atMost: 1.1 }, 'unpartitioned'),
      // Where these become cheap, the decision is to be looked at again.
      against('stock in 4 hash partitions, against none', 'stock in 4', { atLeast: 1 }),
      against('stock in 16 hash partitions, against none', 'stock in 16', { atLeast: 1.1 }),
      against('movement in 16 hash partitions, against months', 'movement in 16', { atLeast: 1 }),
      against('one more index, on time, against none', 'with an index on time', { atLeast: 0.95 }),
      against('without the index by SKU, against with it', 'without the index by SKU', { atMost: 1.05 }),
    ]
  } finally {
    await server.close()
  }
}

async function openVariant(server: string, schema: string, tables: { stock: Shape; movement: Shape; extra?: string }) {
  const url = `${server}?search_path=${schema},public`
  const loading = postgres(url, { max: 1, onnotice: () => {} })
  await loading.unsafe(`create schema ${schema}; ${tables.stock(schema, 'stock')}; ${tables.movement(schema, 'movement')}`)
  if (tables.extra) await loading.unsafe(tables.extra)
  await loading.unsafe(`
    insert into stock (sku, location, on_hand, version)
      select 'SKU-' || lpad(n::text, 6, '0'), 'main', 1000000, 10 from generate_series(0, ${skus - 1}) n;
    insert into movement (sku, location, version, kind, on_hand_delta, reserved_delta, reference, actor, at)
      select 'SKU-' || lpad((n * 7919::bigint % ${skus})::text, 6, '0'), 'main', n / ${skus} + 1, 'reserve', 0, 1, 'ORDER-' || n, 'bench',
        now() - (${movements} - n) * interval '10 milliseconds' from generate_series(0, ${movements - 1}) n`)
  await loading`vacuum (analyze) stock, movement`
  await loading.end()
  const database = openDatabase({ url, pool: 1, service: 'bench' })
  const session = await database.session()
  const { sql } = session
  let at = 0
  return {
    /** Microseconds a reservation. */
    async measure(): Promise<number> {
      await sql`begin`
      const began = performance.now()
      for (let batch = 0; batch < batches; batch++) {
        const places = Array.from({ length: together }, () => ({ sku: skuOf(at++), location: 'main' }))
        const lines = places.map(place => ({ ...place, quantity: 1 }))
        const submitted = {
          command: { kind: 'reserve', lines, actor: 'bench' },
          fingerprint: '',
          traceparent: '',
          reply: () => ({}),
        }
        const { rows } = await load(sql, [submitted as never])
        await write(sql, reserved(rows, submitted as never), newId, new Date(), [])
      }
      const took = performance.now() - began
      await sql`commit`
      await sql`truncate outbox`
      return (took * 1_000) / (batches * together)
    },
    close: () => database.close(),
  }
}

/** Far apart, so that no batch meets the pages of the one before. */
const skuOf = (n: number): string => `SKU-${String((n * 104_729) % skus).padStart(6, '0')}`

function reserved(rows: readonly StockRow[], submitted: Writes['movements'][number]['submitted']): Writes {
  const next = rows.map(row => ({ ...row, reserved: row.reserved + 1, version: row.version + 1 }))
  const movements = next.map(row => ({ row, kind: 'reserve', onHandDelta: 0, reservedDelta: 1, submitted }))
  return { rows: next, movements: movements as never, opened: [], changed: [], dispatched: [], moved: [], remembered: [] }
}
