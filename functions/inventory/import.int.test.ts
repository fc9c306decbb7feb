import assert from 'node:assert/strict'
import { request as rawRequest } from 'node:http'
import { Readable } from 'node:stream'
import { beforeEach, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { until } from '../../test/environment.ts'
import { ownDatabase } from '../../test/own-database.ts'
import { issueToken } from '../../test/token-issuer.ts'
import { inventoryImport } from './import.ts'
import { inventory } from './inventory.ts'

const { sql, start } = await ownDatabase('inventory')
let stock = await start(inventory, { DATABASE_POOL: '4' })
const importing = await start(inventoryImport, { FUNCTION_URL: stock.url.replace('//', '//{name}@') })

interface Body {
  id: string
  state: string
  read: number
  done: number
  failed: number
  reason: string | null
  by: string
  errors: { row: number; code?: string; field: string | null; message: string }[]
  code: string
  detail: string
  row: number
  import: Body
  items: { row: number; field: string }[]
  next: string | null
}

let sku: string
let number = 0
beforeEach(() => {
  sku = `IMP${++number}`
})

async function send(
  query: string,
  body: string | Buffer | Readable,
  options: { key?: string; type?: string; client?: string } = {},
) {
  const { key, type = 'text/csv', client } = options
  const answer = await fetch(`${importing.url}/v1/stock/imports?${query}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await issueToken(client ? { client } : {})}`,
      'content-type': type,
      ...(key && { 'idempotency-key': key }),
    },
    body: (body instanceof Readable ? Readable.toWeb(body) : body) as NonNullable<RequestInit['body']>,
    duplex: 'half',
  } as RequestInit)
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Body }
}

const read = async (path: string) => (await importing.request<Body>(`GET /v1/stock/imports/${path}`)).body
const units = async (like = `${sku}-%`) => {
  const [sum] = await sql<{ units: number }[]>`select coalesce(sum(on_hand), 0)::int as units from stock where sku like ${like}`
  return sum?.units
}
const receipts = (count: number) => [...Array(count).keys()].map(index => `${sku}-${index % 97},main,1\n`)
const header = 'sku,location,quantity\n'

test('a file is received row by row, and what is wrong in it is told with row and column', async () => {
  const text = `\ufeffsku,quantity,reason,reference\r\n"${sku}-a",3,,"Delivery, late"\r\n${sku}-b,0,,\r\n\r\n${sku}-c,x,opening,\r\n${sku}-d,4,boredom,\r\n${sku}-e,5,,\r\n`
  const { status, headers, body } = await send('kind=receive', text)
  assert.equal(status, 200)
  assert.deepEqual([body.state, body.read, body.done, body.failed], ['done', 5, 2, 3])
  assert.deepEqual(
    body.errors.map(({ row, field, code }) => [row, field, code]),
    [
      [2, 'quantity', 'invalid_input'],
      [3, 'quantity', 'invalid_input'],
      [4, 'reason', 'invalid_input'],
    ],
  )
  assert.equal(headers.get('location'), `/v1/stock/imports/${body.id}`)
  assert.equal(await units(), 8)
  const [movement] = await sql`select reference, reason, location from movement where sku = ${`${sku}-A`}`
  assert.deepEqual({ ...movement }, { reference: 'Delivery, late', reason: 'supplier', location: 'main' })
  const [unnamed] = await sql`select reference from movement where sku = ${`${sku}-E`}`
  assert.equal(unnamed?.reference, `import:${body.id}`)
  const { errors: _, ...progress } = body
  assert.deepEqual(await read(body.id), progress)
  const first = await read(`${body.id}/errors?limit=2`)
  const second = await read(`${body.id}/errors?limit=2&cursor=${first.next}`)
  assert.deepEqual(
    [...first.items, ...second.items].map(({ row }) => row),
    [2, 3, 4],
  )
  assert.equal(second.next, null)
})

test('what was exported is set again over the versions that were read', async () => {
  await send('kind=receive', header + receipts(2).join(''))
  const rows = await sql<
    { sku: string; version: number }[]
  >`select sku, version::int from stock where sku like ${`${sku}-%`} order by sku`
  const exported = 'sku,location,onHand,reserved,available,safetyStock,backorderLimit,capacity,version\n'
  const text = exported + rows.map(row => `${row.sku},main,9,0,9,0,0,,${row.version}\n`).join('')
  assert.deepEqual((await send('kind=set', text)).body.done, 2)
  assert.equal(await units(), 18)
  const again = (await send('kind=set', text.replaceAll(',9,', ',7,'))).body
  assert.deepEqual([again.failed, again.errors[0]?.code], [2, 'version_mismatch'])
})

test('a gzipped file is read too', async () => {
  const { body } = await send('kind=receive', gzipSync(header + receipts(1_200).join('')), { type: 'application/gzip' })
  assert.deepEqual([body.state, body.done], ['done', 1_200])
  assert.equal(await units(), 1_200)
  const broken = await send('kind=receive', gzipSync(header).subarray(0, 20), { type: 'application/gzip' })
  assert.deepEqual([broken.status, broken.body.code], [400, 'malformed_request'])
})

test('columns that are missing or unknown are named before anything is done', async () => {
  const { status, body } = await send('kind=receive', 'sku,colour,sku\nA,red,B\n')
  assert.equal(status, 422)
  assert.deepEqual(
    (body.errors as { field: string | null }[]).map(({ field }) => field),
    ['quantity', 'colour', 'sku'],
  )
  assert.deepEqual((await send('kind=set', 'sku,onHand\nA,1\n')).body.errors[0]?.field, 'version')
  assert.equal((await send('kind=receive', '')).status, 422)
  assert.equal((await send('kind=give', header)).status, 422)
  assert.equal((await send('kind=receive', header, { type: 'application/json' })).status, 415)
})

test('a file that cannot be read on stops there, tells what was done, and goes on when it is mended', async () => {
  const rows = receipts(1_300)
  const broken = `${header}${rows.slice(0, 1_100).join('')}${sku}-x,main,1,too,much\n${rows.slice(1_101).join('')}`
  const stopped = await send('kind=receive', broken, { key: `mend-${sku}` })
  assert.deepEqual([stopped.status, stopped.body.code, stopped.body.row], [400, 'malformed_request', 1_101])
  assert.match(stopped.body.detail, /row 1101/)
  assert.deepEqual([stopped.body.import.state, stopped.body.import.done], ['stopped', 1_100])
  assert.equal(await units(), 1_100)
  const mended = await send('kind=receive', header + rows.join(''), { key: `mend-${sku}` })
  assert.deepEqual([mended.body.id, mended.body.state, mended.body.done], [stopped.body.import.id, 'done', 1_300])
  assert.equal(await units(), 1_300)
  sku = `${sku}X`
  const open = await send('kind=receive', `${header}${sku}-1,main,1\n${sku}-2,main,"1\n${'x'.repeat(200_000)}`)
  assert.deepEqual([open.body.row, open.body.import.done], [2, 1])
  assert.match((await send('kind=receive', Buffer.from([...Buffer.from(header), 0xff, 0xfe]))).body.detail, /UTF-8/)
})

test('the same file again does nothing twice, and another file under the same key is refused', async () => {
  const text = header + receipts(700).join('')
  const first = await send('kind=receive', text, { key: `again-${sku}` })
  const again = await send('kind=receive', text, { key: `again-${sku}` })
  assert.deepEqual([again.status, again.body.id, again.body.done], [200, first.body.id, 700])
  assert.equal(again.headers.get('idempotency-replayed'), 'true')
  assert.equal((await send(`kind=receive&id=${first.body.id}`, text)).body.done, 700)
  for (const other of [`${text}${sku}-1,main,1\n`, text.replace(',1\n', ',2\n'), header]) {
    const refused = await send('kind=receive', other, { key: `again-${sku}` })
    assert.deepEqual([refused.status, refused.body.code], [422, 'idempotency_key_reused'])
  }
  assert.equal((await send('kind=adjust', text, { key: `again-${sku}` })).body.code, 'idempotency_key_reused')
  assert.equal((await send(`kind=receive&id=${first.body.id}`, text, { client: 'somebody' })).status, 404)
  assert.equal(await units(), 700)
})

/** Sends the beginning of a file and goes away. */
async function goAwayAfter(text: string, key: string): Promise<void> {
  const gone = rawRequest(`${importing.url}/v1/stock/imports?kind=receive`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await issueToken({})}`, 'content-type': 'text/csv', 'idempotency-key': key },
  })
  gone.on('error', () => {})
  gone.write(text)
  await until(
    'some rows are done',
    () => units(),
    sum => (sum ?? 0) >= 500,
  )
  gone.destroy()
}

test('an import that broke in the middle goes on where it stopped, and no row is done twice', async () => {
  const rows = receipts(2_600)
  const key = `crash-${sku}`
  await goAwayAfter(header + rows.slice(0, 1_700).join(''), key)
  const [stopped] = await until(
    'the import has stopped',
    () => sql<{ id: string; state: string }[]>`select id, state from import where key like ${`%${key}`}`,
    ([one]) => one?.state === 'stopped',
  )
  // A process that is killed saves nothing: only the ledger knows what was done.
  await sql`
    update import set state = 'running', rows_done = 0, digest = '', updated_at = now() - interval '10 minutes'
    where id = ${stopped?.id as string}`
  const { status, body } = await send('kind=receive', header + rows.join(''), { key })
  assert.deepEqual([status, body.id, body.state, body.done, body.failed], [200, stopped?.id, 'done', 2_600, 0])
  assert.equal(await units(), 2_600)
  const [ledger] = await sql<{ movements: number }[]>`
    select count(*)::int as movements from movement where sku like ${`${sku}-%`}`
  assert.equal(ledger?.movements, 2_600)
})

test('two cannot work on one import at the same time', async () => {
  const key = `twice-${sku}`
  const slow = new Readable({ read() {} })
  slow.push(header + receipts(600).join(''))
  const first = send('kind=receive', slow, { key })
  await until(
    'the first one works',
    () => units(),
    sum => (sum ?? 0) >= 500,
  )
  const second = await send('kind=receive', header, { key })
  assert.deepEqual([second.status, second.body.code], [409, 'import_running'])
  slow.push(null)
  assert.equal((await first).body.done, 600)
})

test('a function that is away for a moment is waited for', async () => {
  await stock.stop()
  const port = new URL(stock.url).port
  const text = header + receipts(1_000).join('')
  const sent = send('kind=receive', text)
  await new Promise(resolve => setTimeout(resolve, 300))
  stock = await start(inventory, { PORT: port })
  const { status, body } = await sent
  assert.deepEqual([status, body.done], [200, 1_000])
  assert.equal(await units(), 1_000)
})

test('a large file is read no faster than its rows are done, and in little memory', { timeout: 55_000 }, async () => {
  const count = 20_000
  const before = process.memoryUsage().rss
  const began = performance.now()
  const { body } = await send('kind=receive', Readable.from([header, ...receipts(count)]))
  const seconds = (performance.now() - began) / 1_000
  assert.deepEqual([body.state, body.done], ['done', count])
  assert.equal(await units(), count)
  const grown = (process.memoryUsage().rss - before) / 1024 / 1024
  assert.ok(grown < 400, `${grown} MiB more`)
  console.log(`${Math.round(count / seconds)} rows/s, ${Math.round(grown)} MiB more`)
})
