import assert from 'node:assert/strict'
import { get } from 'node:http'
import { test } from 'node:test'
import { createGunzip } from 'node:zlib'
import { until } from '../../test/environment.ts'
import { ownDatabase } from '../../test/own-database.ts'
import { issueToken } from '../../test/token-issuer.ts'
import { inventoryExport } from './export.ts'

const count = 200_000
const { sql, start } = await ownDatabase('inventory')
await sql`
  insert into stock (sku, location, on_hand, reserved, safety_stock, backorder_limit, version)
  select 'SKU ' || lpad(n::text, 7, '0'), case n % 4 when 0 then 'north' else 'main' end, n % 100, n % 3, 1, 5, n
  from generate_series(1, ${count}) n`
const running = await start(inventoryExport)

const ask = async (query = '', encoding = 'identity', scopes?: string[]) =>
  fetch(`${running.url}/v1/stock/export${query}`, {
    headers: { authorization: `Bearer ${await issueToken(scopes ? { scopes } : {})}`, 'accept-encoding': encoding },
  })

test('every row is exported once, in order, with what can be read of it', async () => {
  const answer = await ask()
  assert.equal(answer.status, 200)
  assert.match(answer.headers.get('content-type') ?? '', /^text\/csv; charset=utf-8/)
  const lines = (await answer.text()).trimEnd().split('\n')
  assert.equal(lines[0], 'sku,location,onHand,reserved,available,safetyStock,backorderLimit,capacity,version')
  assert.equal(lines.length, count + 1)
  assert.equal(lines[1], 'SKU 0000001,main,1,1,-1,1,5,,1')
  assert.equal(new Set(lines).size, count + 1)
})

test('a location can be asked for alone, and what is wrong is refused before the first row', async () => {
  const lines = (await (await ask('?location=north')).text()).trimEnd().split('\n').slice(1)
  assert.equal(lines.length, count / 4)
  assert.ok(lines.every(line => line.split(',')[1] === 'north'))
  assert.equal((await ask('?location=No+Where')).status, 422)
  assert.equal((await ask('', 'identity', ['orders:read'])).status, 403)
})

test('the export is gzipped for who accepts that', async () => {
  const answer = await ask('?location=north', 'gzip')
  assert.equal(answer.headers.get('content-encoding'), 'gzip')
  assert.equal((await answer.text()).trimEnd().split('\n').length, count / 4 + 1)
  assert.equal((await ask('?location=nowhere', 'gzip;q=0')).headers.get('content-encoding'), null)
})

/** Looks one after the other that found the function asking nothing of the database. */
let samples = 0
async function quietSamples(): Promise<number> {
  const [active] = await sql<{ asked: number }[]>`
    select count(*)::int as asked from pg_stat_activity where application_name = 'inventory-export' and state = 'active'`
  samples = active?.asked === 0 ? samples + 1 : 0
  return samples
}

async function slowly(encoding: string) {
  const headers = { authorization: `Bearer ${await issueToken({})}`, 'accept-encoding': encoding }
  return new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
    get(`${running.url}/v1/stock/export`, { headers, agent: false }, resolve).on('error', reject)
  })
}

test('a client that does not read stops the reading of rows, and the memory stays small', async () => {
  global.gc?.()
  const before = process.memoryUsage().rss
  const answers = await Promise.all([slowly('identity'), slowly('identity'), slowly('gzip')])
  await until('no page is read while nobody takes it', quietSamples, samples => samples >= 10)
  let largest = 0
  const sizes = await Promise.all(
    answers.map(async answer => {
      let size = 0
      for await (const chunk of answer.headers['content-encoding'] ? answer.pipe(createGunzip()) : answer) {
        size += (chunk as Buffer).length
        largest = Math.max(largest, process.memoryUsage.rss())
      }
      return size
    }),
  )
  assert.equal(new Set(sizes).size, 1, 'each got all of it')
  const grown = (largest - before) / 1024 / 1024
  assert.ok(grown < 150, `${grown} MiB more for ${sizes[0]} bytes thrice`)
  console.log(`${Math.round(grown)} MiB more for three times ${Math.round((sizes[0] ?? 0) / 1024 / 1024)} MiB`)
})

test('a client that goes away ends the export', async () => {
  const answer = await slowly('identity')
  answer.destroy()
  samples = 0
  await until('nothing is asked of the database', quietSamples, samples => samples >= 10)
  assert.equal((await ask('?location=north')).status, 200)
})
