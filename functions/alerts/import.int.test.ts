import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { beforeEach, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { ownDatabase } from '../../test/own-database.ts'
import { issueToken } from '../../test/token-issuer.ts'
import { alertsExport } from './export.ts'
import { alertsImport } from './import.ts'
import { setThresholds } from './set-thresholds.ts'

const { sql, start } = await ownDatabase('alerts')
const [importing, exporting, single] = await Promise.all([start(alertsImport), start(alertsExport), start(setThresholds)])

beforeEach(async () => {
  await sql`truncate threshold, sku_profile, rejudging, stock_seen, alert, outbox, import, import_error, idempotency`
})

interface Body {
  id: string
  state: string
  read: number
  done: number
  failed: number
  code: string
  row: number
  errors: { row: number; code: string; field: string | null; message: string }[]
  import: Body
}

async function send(
  body: string | Buffer | Readable,
  options: { key?: string; type?: string; scopes?: string[]; path?: string } = {},
) {
  const { key, type = 'text/csv', scopes, path = 'thresholds' } = options
  const answer = await fetch(`${importing.url}/v1/${path}/imports`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${await issueToken(scopes ? { scopes } : {})}`,
      'content-type': type,
      ...(key && { 'idempotency-key': key }),
    },
    body: (body instanceof Readable ? Readable.toWeb(body) : body) as NonNullable<RequestInit['body']>,
    duplex: 'half',
  } as RequestInit)
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Body }
}

const exported = async (query = '', encoding = 'identity', path = 'thresholds') => {
  const answer = await fetch(`${exporting.url}/v1/${path}/export${query}`, {
    headers: { authorization: `Bearer ${await issueToken({})}`, 'accept-encoding': encoding },
  })
  assert.equal(answer.status, 200)
  return { text: await answer.text(), headers: answer.headers }
}
const rows = (count: number) => [...Array(count).keys()].map(index => `T-${String(index).padStart(7, '0')},main,${index % 50}\n`)
const header = 'sku,location,level\n'
const columns =
  'scope,sku,location,category,type,state,level,criticalLevel,resolveAbove,parLevel,windowDays,leadTimeDays,forSeconds,dedupSeconds'
const thresholds = async () =>
  (
    await sql<{ sku: string; location: string; level: number; resolve: number }[]>`
      select sku, location, level::int, resolve_above::int as resolve from threshold order by sku, location`
  ).map(({ sku, location, level, resolve }) => [sku, location, level, resolve])

test('a file is set row by row, and what is wrong in it is told with row and column', async () => {
  const text = '\ufeffsku,level,resolveAbove,location\r\na,5,,\r\nB,-1,,\r\nC,7,6,shop\r\nD,7,9,shop\r\nE,many,,\r\n'
  const { status, headers, body } = await send(text)
  assert.deepEqual([status, body.state, body.read, body.done, body.failed], [200, 'done', 5, 2, 3])
  assert.deepEqual(
    body.errors.map(({ row, field, code }) => [row, field, code]),
    [
      [2, 'level', 'invalid_input'],
      [3, 'resolveAbove', 'invalid_input'],
      [5, 'level', 'invalid_input'],
    ],
  )
  assert.deepEqual(await thresholds(), [
    ['A', 'main', 5, 6],
    ['D', 'shop', 7, 9],
  ])
  assert.equal(headers.get('location'), `/v1/thresholds/imports/${body.id}`)
  const read = await importing.request<Body>(`GET /v1/thresholds/imports/${body.id}`)
  assert.deepEqual([read.body.done, read.body.failed], [2, 3])
  const page = await importing.request<{ items: { row: number }[]; next: string }>(
    `GET /v1/thresholds/imports/${body.id}/errors?limit=2`,
  )
  assert.deepEqual(
    page.body.items.map(({ row }) => row),
    [2, 3],
  )
})

test('what is below its new threshold already raises its alert', async () => {
  await sql`insert into stock_seen (sku, location, available, version) values ('A', 'main', 3, 7), ('B', 'main', 30, 7)`
  await send(`${header}A,main,5\nB,main,5\n`)
  const alerts = await sql`select sku, severity, stock_version::int as version from alert`
  assert.deepEqual([...alerts], [{ sku: 'A', severity: 'low', version: 7 }])
})

test('columns that are missing or unknown are named, and nothing is set', async () => {
  const { status, body } = await send('sku,colour\nA,red\n')
  assert.equal(status, 422)
  assert.deepEqual(
    body.errors.map(({ field }) => field),
    ['level', 'colour'],
  )
  assert.equal((await send(`${header}A,main,1\n`, { scopes: ['alerts:read'] })).status, 403)
  assert.deepEqual(await thresholds(), [])
})

test('the same file again sets nothing twice: what a person has set since stays', async () => {
  const text = header + rows(1_200).join('')
  const first = await send(text, { key: 'again' })
  const mine = { thresholds: [{ sku: 'T-0000700', level: 999 }] }
  assert.equal((await single.request('PUT /v1/thresholds', { body: mine })).status, 200)
  const again = await send(text, { key: 'again' })
  assert.deepEqual([again.body.id, again.body.done, again.headers.get('idempotency-replayed')], [first.body.id, 1_200, 'true'])
  // A process that is killed after its rows were set has told nobody.
  await sql`update import set state = 'running', finished_at = null, rows_done = 0, digest = '', updated_at = now() - interval '10 minutes'`
  assert.deepEqual((await send(text, { key: 'again' })).body.done, 1_200)
  const [kept] = await sql`select level::int from threshold where sku = 'T-0000700'`
  assert.equal(kept?.level, 999)
  assert.equal((await send(text.replace(',49\n', ',48\n'), { key: 'again' })).body.code, 'idempotency_key_reused')
})

test('a file that cannot be read on stops there, and goes on when it is mended', async () => {
  const lines = rows(900)
  const broken = `${header}${lines.slice(0, 700).join('')}X,main,1,too,much\n${lines.slice(701).join('')}`
  const stopped = await send(broken, { key: 'mend' })
  assert.deepEqual([stopped.status, stopped.body.row, stopped.body.import.done], [400, 701, 700])
  const mended = await send(header + lines.join(''), { key: 'mend' })
  assert.deepEqual([mended.body.state, mended.body.done, (await thresholds()).length], ['done', 900, 900])
})

test('what is exported is whole, in order, and comes back as it was', async () => {
  await send(gzipSync(header + rows(12_000).join('')), { type: 'application/gzip' })
  await send(`${header}T-0000001,shop,3\n`)
  const { text, headers } = await exported()
  assert.match(headers.get('content-disposition') ?? '', /thresholds\.csv/)
  const lines = text.trimEnd().split('\n')
  assert.deepEqual([lines.length, lines[0], lines[1]], [12_002, columns, 'place,T-0000000,main,,absolute,on,0,,1,,,,0,0'])
  assert.equal((await exported('?location=shop')).text, `${columns}\nplace,T-0000001,shop,,absolute,on,3,,4,,,,0,0\n`)
  assert.equal((await exported('', 'gzip')).headers.get('content-encoding'), 'gzip')
  const before = await thresholds()
  await sql`truncate threshold`
  assert.equal((await send(text)).body.done, 12_001)
  assert.deepEqual(await thresholds(), before)
})

test('thresholds of every type and scope come from a file, and go into one', async () => {
  const lines = [
    'default,,,,forecast,on,3,,4,,,10,0,0',
    'location,,shop,,percentage,on,20,5,22,400,,,0,86400',
    'category,,,kitchen,days_of_cover,on,7,2,8,,28,,3600,0',
    'sku,A,,,days_of_cover,off,0,,1,,,,0,0',
    'place,A,main,,absolute,on,12,4,20,,,,0,0',
  ]
  const wrong = ['sku,A,main,,absolute,on,1,,,,,,,', 'place,B,,,weekly,on,1,,,,,,,']
  const { body } = await send([columns, ...lines, ...wrong].join('\n'))
  assert.deepEqual([body.done, body.failed], [5, 2])
  assert.deepEqual(
    body.errors.map(({ row, field }) => [row, field]),
    [
      [6, 'location'],
      [7, 'type'],
    ],
  )
  const { text } = await exported()
  assert.deepEqual(text.trimEnd().split('\n').slice(1).sort(), lines.toSorted())
  assert.equal((await exported('?category=kitchen')).text.split('\n')[1], lines[2])
  const [walks] = await sql<{ count: number }[]>`select count(*)::int as count from rejudging`
  assert.equal(walks?.count, 1, 'what inherits is judged again: with a default that is everything')
})

test('what alerts know of SKUs comes from a file, and goes into one', async () => {
  const path = 'sku-profiles'
  const { body, headers } = await send('sku,category,leadTimeDays,packSize\nB,Garden,10,12\nA,,,\nC,wool,ten,\n', { path })
  assert.deepEqual([body.done, body.failed, body.errors[0]?.field], [2, 1, 'leadTimeDays'])
  assert.equal((await importing.request<Body>(`GET ${headers.get('location')}`)).body.done, 2)
  const { text } = await exported('', 'identity', path)
  assert.equal(text, 'sku,category,leadTimeDays,parLevel,packSize,minimumOrder\nA,,,,1,0\nB,garden,10,,12,0\n')
  assert.equal((await send(text, { path })).body.done, 2)
})

test('a large file is read no faster than its rows are set, and in little memory', { timeout: 55_000 }, async () => {
  const count = 40_000
  const before = process.memoryUsage().rss
  const began = performance.now()
  const { body } = await send(Readable.from([header, ...rows(count)]))
  const seconds = (performance.now() - began) / 1_000
  assert.deepEqual([body.state, body.done], ['done', count])
  const grown = (process.memoryUsage().rss - before) / 1024 / 1024
  assert.ok(grown < 400, `${grown} MiB more`)
  console.log(`${Math.round(count / seconds)} rows/s, ${Math.round(grown)} MiB more`)
})
