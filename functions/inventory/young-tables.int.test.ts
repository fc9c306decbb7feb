import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ownDatabase } from '../../test/own-database.ts'
import { inventory } from './inventory.ts'

const { sql, start } = await ownDatabase('inventory')
const running = await start(inventory, { STOCK_WRITERS: '1' })

const tables = ['stock', 'idempotency', 'reservation', 'reservation_line']
/** Rows read by reading a whole table. */
const scanned = async (): Promise<number> => {
  await sql`select pg_stat_force_next_flush()`
  const [row] = await sql<{ rows: number }[]>`
    select sum(seq_tup_read)::int as rows from pg_stat_user_tables where relname = any (${tables})`
  return row?.rows ?? 0
}
let key = 0
const ask = async (route: string, body: unknown): Promise<string> => {
  const answer = await running.request<{ id: string }>(route, { body, key: `young-${key++}` })
  assert.ok(answer.status < 300, `${answer.status}`)
  return answer.body.id
}
async function buy(): Promise<void> {
  const id = await ask('POST /v1/reservations', { lines: [{ sku: 'YOUNG', quantity: 1 }] })
  await ask(`POST /v1/reservations/${id}/commit`, {})
}

test('a connection that made its plans while the tables were empty looks rows up all the same when they have grown', async () => {
  await sql`vacuum (analyze) stock, idempotency, reservation, reservation_line`
  await ask('POST /v1/stock/receipts', { lines: [{ sku: 'YOUNG', quantity: 1_000 }] })
  // From the sixth time on a statement has its plan for good.
  for (let n = 0; n < 8; n++) await buy()
  await sql`insert into idempotency (key, fingerprint, status, response) select 'old-' || n, '', 201, '' from generate_series(1, 5000) n`
  const before = await scanned()
  for (let n = 0; n < 8; n++) await buy()
  // A connection tells what it read at most a second later.
  await new Promise(resolve => setTimeout(resolve, 1_500))
  await buy()
  assert.ok((await scanned()) - before < 1_000, `${(await scanned()) - before} rows`)
})
