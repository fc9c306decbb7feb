import postgres from 'postgres'
import { addedTo, monthOf } from '../../functions/inventory/partitions.ts'
import type { Progress } from '../measure.ts'

export interface Size {
  /** Rows of stock: places times locations. */
  readonly rows: number
  readonly movements: number
}

export const locations = 20
/** Past months that the movements lie in, one partition each. */
export const filledMonths = 12
/** Coprime to every size here: consecutive movements are of places far apart. */
const step = 7_919

export const skuName = (n: number): string => `SKU-${String(n).padStart(7, '0')}`
export const locationName = (n: number): string => `store-${String(n).padStart(2, '0')}`

/** A year of trade made by the server: stock at every location, movements evenly over time and places, three to a reference. */
export async function fill(url: string, { rows, movements }: Size, say: Progress): Promise<void> {
  const sql = postgres(url, { max: 2, onnotice: () => {}, connection: { maintenance_work_mem: '512MB' } })
  try {
    const began = performance.now()
    const done = (what: string) => say(`  ${what}, after ${Math.round((performance.now() - began) / 1_000)} s`)
    await withoutIndexes(sql, 'stock', async () => {
      await sql.unsafe(`
        insert into stock (sku, location, on_hand, reserved, safety_stock, version)
        select 'SKU-' || lpad((n / ${locations})::text, 7, '0'), 'store-' || lpad((n % ${locations})::text, 2, '0'),
          n * 31::bigint % 500, 0, 2, ${Math.ceil(movements / rows)}
        from generate_series(0, ${rows - 1}) n`)
    })
    done(`${rows.toLocaleString('en-GB')} rows of stock`)
    const [first, month] = [await monthlyPartitions(sql), movements / filledMonths]
    await withoutIndexes(sql, 'movement', async () => {
      const each = Array.from({ length: filledMonths }, (_, n) => ({ begins: addedTo(first, n), ends: addedTo(first, n + 1), n }))
      for (const { begins, ends, n } of each) {
        const seconds = (Math.min(ends.getTime(), Date.now()) - begins.getTime()) / 1_000
        await sql.unsafe(`
          insert into movement (sku, location, version, kind, on_hand_delta, reserved_delta, reason, reference, actor, at)
          select 'SKU-' || lpad((place / ${locations})::text, 7, '0'), 'store-' || lpad((place % ${locations})::text, 2, '0'),
            n / ${rows} + 1, case n % 10 when 0 then 'receive' else 'reserve' end, 0, 1, null, 'ORDER-' || lpad((n / 3)::text, 9, '0'), 'retailer',
            timestamptz '${begins.toISOString()}' + (n - ${Math.round(n * month)}) * ${seconds / month} * interval '1 second'
          from (select n, n * ${step}::bigint % ${rows} as place
                from generate_series(${Math.round(n * month)}, ${Math.round((n + 1) * month) - 1}) n) numbered`)
      }
      done(`${movements.toLocaleString('en-GB')} movements`)
    })
    done('their indexes')
    await sql`vacuum (analyze) stock, movement`
    await sql`checkpoint`
    const [size] = await sql<{ size: string }[]>`select pg_size_pretty(pg_database_size(current_database())) as size`
    done(`${size?.size} in all`)
  } finally {
    await sql.end()
  }
}

/** As a ledger looks that has been there for a year. @returns its first month */
async function monthlyPartitions(sql: postgres.Sql): Promise<Date> {
  const first = addedTo(monthOf(new Date()), 1 - filledMonths)
  await sql`drop table movement_first`
  for (let n = 0; n < filledMonths; n++) {
    const [begins, ends] = [addedTo(first, n), addedTo(first, n + 1)].map(time => time.toISOString())
    await sql.unsafe(`create table movement_past_${n} partition of movement for values from ('${begins}') to ('${ends}')`)
  }
  return first
}

/** An index that is built at the end costs a tenth of one that is kept up meanwhile. */
async function withoutIndexes(sql: postgres.Sql, table: string, load: () => Promise<void>): Promise<void> {
  const indexes = await sql<{ name: string; definition: string; constraint: string | null }[]>`
    select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as definition, pg_get_constraintdef(c.oid) as constraint
    from pg_index i left join pg_constraint c on c.conindid = i.indexrelid and c.contype = 'p' where i.indrelid = ${table}::regclass`
  for (const { name, constraint } of indexes) {
    await sql.unsafe(constraint ? `alter table ${table} drop constraint ${name}` : `drop index ${name}`)
  }
  await load()
  for (const { name, definition, constraint } of indexes) {
    await sql.unsafe(
      constraint ? `alter table ${table} add constraint ${name} ${constraint}` : definition.replace(' ON ONLY ', ' ON '),
    )
  }
}
