import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { removeServicesData } from '../../local/services/start.ts'

let dataDir: string

before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tidemark-demo-'))
})

after(() => removeServicesData(join(dataDir, 'services')))

function demo(...flags: string[]) {
  const script = new URL('../../local/with-node.mjs', import.meta.url).pathname
  const child = spawn(process.execPath, [script, 'local/demo.ts', '--data', dataDir, '--free-ports', ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that the test can press Ctrl-C as a terminal does: for the whole group.
    detached: true,
    cwd: dataDir,
  })
  let output = ''
  const seen = new Map<RegExp, () => void>()
  const hear = (chunk: Buffer) => {
    output += chunk
    for (const [pattern, resolve] of seen) if (pattern.test(output)) resolve()
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  return {
    pid: child.pid as number,
    output: () => output,
    until: (pattern: RegExp) => new Promise<void>(resolve => seen.set(pattern, resolve)),
    exit: new Promise<number | null>(resolve => child.once('exit', code => resolve(code))),
  }
}

/** What a run has started, as it wrote it down. */
const bookedPids = (): number[] =>
  ['services', 'functions'].flatMap(part => {
    const file = join(dataDir, part, 'pids.json')
    return existsSync(file)
      ? (JSON.parse(readFileSync(file, 'utf8')) as { children: { pid: number }[] }).children.map(({ pid }) => pid)
      : []
  })

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('the demo replays its sample, shows stock, an alert and its mail, and ends with success', { timeout: 240_000 }, async () => {
  const run = demo('--once')
  assert.equal(await run.exit, 0, run.output())
  const output = run.output()
  assert.match(output, /✓ ledger equals totals/)
  assert.doesNotMatch(output, /✗/)
  assert.match(output, /GET \/v1\/stock\?limit=5\n.*\n {2}\S+ +main +\d+ +0 +\d+/)
  assert.match(output, /threshold \d+ \((low|out_of_stock), now (open|resolved)/)
  assert.match(
    output,
    /Mail {4}from alerts@tidemark\.example to buyer@tidemark\.example\n {2}Subject: (.+ at main: -?\d+ left|\d+ SKUs .*at main)/,
  )
  assert.match(output, /reference {2}http:\/\/127\.0\.0\.1:\d+\/docs/)
})

test('a second start goes on with the data of the first, and Ctrl-C ends everything that it started', {
  timeout: 240_000,
}, async () => {
  const run = demo()
  await Promise.race([run.until(/Still running/), run.exit.then(code => assert.fail(`ended with ${code}: ${run.output()}`))])
  assert.doesNotMatch(run.output(), /migrations applied/)
  assert.doesNotMatch(run.output(), /✗/)
  const started = bookedPids()
  assert.ok(started.length >= 9, `5 services and 4 warm functions at least, not ${started.length}`)
  process.kill(-run.pid, 'SIGINT')
  assert.equal(await run.exit, 0, run.output())
  assert.deepEqual(started.filter(isAlive), [])
})
