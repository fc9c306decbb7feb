import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { pretendTidemark } from './pretend-tidemark.ts'

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))
/** Its own directory, so that no test leaves a run's state in the project. */
const directory = mkdtempSync(join(tmpdir(), 'replay-'))
after(() => rm(directory, { recursive: true }))

function run(args: string[], env: Record<string, string> = {}): Promise<{ code: number; out: string; err: string }> {
  return new Promise(resolve => {
    const child = execFile(
      process.execPath,
      [here('main.ts'), ...args],
      { cwd: directory, env: { PATH: process.env.PATH, TIDEMARK_CLIENT_SECRET: 'secret', ...env } },
      (_error, out, err) => resolve({ code: child.exitCode ?? -1, out, err }),
    )
  })
}

const at = (url: string) => ({ TIDEMARK_URL: url, TIDEMARK_TOKEN_URL: `${url}/oauth/token` })

test('--json ends with one line that holds the whole report, and exits 0 when all invariants hold', async () => {
  await using tidemark = await pretendTidemark({
    fault: ({ nth, attempt }) => (nth === 20 && attempt === 1 ? 'dropped' : undefined),
  })
  const { code, out, err } = await run([here('sample.csv'), '--limit', '60', '--json'], at(tidemark.url))
  assert.equal(code, 0, err)
  assert.equal(out.trim().split('\n').length, 1)
  const report = JSON.parse(out)
  assert.ok(Object.values(report.invariants).every(holds => holds === true))
  assert.equal(report.retries, 1)
  assert.ok(report.calls.order.p50 > 0 && report.rows.total > 0 && report.orders.placed > 0)
  assert.match(err, /reading/)
})

test('the summary is for people: aligned figures and a tick for each invariant', async () => {
  await using tidemark = await pretendTidemark()
  const { code, out } = await run(
    [here('sample.csv'), '--from', '2024-01-09', '--to', '2024-01-10', '--run', 'two-days'],
    at(tidemark.url),
  )
  assert.equal(code, 0)
  assert.match(out, /^Replay two-days of /m)
  assert.match(out, /^orders placed {2,}\d+/m)
  assert.equal(out.match(/✓/g)?.length, 9)
})

test('exits 1 when the stock is not what the client was told', async () => {
  let reads = 0
  await using tidemark = await pretendTidemark({ falsify: (_sku, units) => units + (reads++ === 0 ? 1 : 0) })
  const { code, out } = await run([here('sample.csv'), '--limit', '5', '--json'], at(tidemark.url))
  assert.equal(code, 1)
  assert.equal(JSON.parse(out).invariants['stock agrees with what the client was told'], false)
})

test('exits 2 and names the flag when it is used wrongly', async () => {
  for (const [args, message] of [
    [[], /FILE is missing/],
    [['a.csv', '--limit', '0'], /--limit must be a whole number above 0/],
    [['a.csv', '--from', '2011-13-01'], /--from must be a date/],
    [['a.csv', '--from', '2011-02-01', '--to', '2011-01-01'], /--from is after --to/],
    [['a.csv', '--run', 'a b'], /--run must be/],
    [['a.csv', '--nonsense'], /--nonsense/],
    [['a.csv', '--url', 'nowhere'], /--url must be an http/],
    [['a.csv', 'b.csv'], /one FILE only/],
    [['none.csv'], /none\.csv/],
  ] as const) {
    const { code, err } = await run([...args])
    assert.equal(code, 2, args.join(' '))
    assert.match(err, message)
  }
})

test('exits 3 and says which address is silent when nothing listens', async () => {
  const { code, err } = await run([here('sample.csv'), '--patience', '1'], at('http://127.0.0.1:9'))
  assert.equal(code, 3)
  assert.match(err, /http:\/\/127\.0\.0\.1:9/)
  assert.match(err, /Start it/)
})

test('exits 3 at once when the client is not known', async () => {
  await using tidemark = await pretendTidemark()
  const { code, err } = await run([here('sample.csv')], { ...at(tidemark.url), TIDEMARK_CLIENT_SECRET: 'wrong' })
  assert.equal(code, 3)
  assert.match(err, /answered 401 to client "retailer"/)
})

test('--help explains the flags and exits 0', async () => {
  const { code, out } = await run(['--help'])
  assert.equal(code, 0)
  assert.match(out, /--concurrency N/)
})
