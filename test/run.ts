import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { serviceUrlsFrom, urlVariable } from '../local/services/service-urls.ts'
import { removeServicesData, type Services, startServices } from '../local/services/start.ts'
import { findCluster } from './cluster/find.ts'
import { setUpCluster } from './cluster/setup.ts'
import { testVariable } from './environment.ts'
import { type Kind, testFiles } from './files.ts'
import { dropTemplates, makeTemplates } from './templates.ts'

/**
 * `node test/run.ts [part of a path…]`: runs the tests, those in memory first. Real services are started once for all of them;
 * one whose TIDEMARK_…_URL is given is used instead.
 */
/** Files at once, and the milliseconds after which a test hangs. */
const parts: readonly { kind: Kind; files: number; timeout: number }[] = [
  { kind: 'in memory', files: 2, timeout: 60_000 },
  { kind: 'on real services', files: 2, timeout: 60_000 },
  { kind: 'whole system', files: 1, timeout: 300_000 },
  { kind: 'chaos', files: 1, timeout: 300_000 },
  { kind: 'cluster', files: 1, timeout: 300_000 },
  { kind: 'by name only', files: 1, timeout: 300_000 },
]

const root = join(import.meta.dirname, '..')
const wanted = await testFiles(root, process.argv.slice(2))
if (wanted.size === 0) {
  console.error('There is no such test file.')
  process.exit(1)
}

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // What a second Ctrl-C leaves behind, the next start ends.
    if (stop.signal.aborted) process.exit(130)
    stop.abort()
  })
}

const sum = { passed: 0, failed: 0, skipped: 0 }
const took: string[] = []
const dataDir = await mkdtemp(join(tmpdir(), 'tidemark-test-'))
const given = serviceUrlsFrom(process.env)
// A test that starts services of its own is not to find ours.
for (const variable of Object.values(urlVariable)) delete process.env[variable]
let services: Services | undefined
try {
  for (const part of parts) {
    const files = wanted.get(part.kind)
    if (!files || stop.signal.aborted) continue
    if (part.kind === 'cluster') {
      await runOnCluster(files, part)
      continue
    }
    if (part.kind !== 'in memory') services ??= await timed('services and databases', ready)
    await timed(part.kind, () => runPart(files, part))
  }
} catch (error) {
  console.error((error as Error).message)
  sum.failed++
} finally {
  if (services && given.postgres) await dropTemplates(given.postgres)
  await timed('stopping', async () => services?.stop())
  await removeServicesData(dataDir)
}
console.log(`took: ${took.join(', ')}`)
console.log(`${sum.passed} passed, ${sum.failed} failed${sum.skipped > 0 ? `, ${sum.skipped} skipped` : ''}`)
process.exit(stop.signal.aborted ? 130 : sum.failed > 0 ? 1 : 0)

async function ready(): Promise<Services> {
  const started = await startServices({ dataDir, urls: given, ports: 'free', say: line => console.log(line) })
  await makeTemplates(started.urls.postgres)
  for (const [name, variable] of Object.entries(testVariable)) {
    process.env[variable] = started.urls[name as keyof typeof testVariable]
  }
  return started
}

/**
 * Deploys to a cluster when that was asked for: by naming test/cluster, or by TIDEMARK_TEST_CLUSTERS=yes, as CI does. The cluster that
 * happens to be in somebody's KUBECONFIG is not ours to use. Without one the tests count as skipped; they fail when just they were asked for.
 */
async function runOnCluster(files: readonly string[], part: (typeof parts)[number]): Promise<void> {
  const named = wanted.size === 1
  const asked = named || process.env.TIDEMARK_TEST_CLUSTERS === 'yes'
  const found = asked
    ? await timed('finding a cluster', () => findCluster(line => console.log(line)))
    : ({ found: false, why: 'npm run test:cluster runs them' } as const)
  if (!found.found) {
    console.log(`the ${files.length} files of test/cluster are skipped: ${found.why}`)
    if (named) throw new Error('They were asked for.')
    sum.skipped += files.length
    return
  }
  const folder = join(dataDir, 'cluster')
  try {
    const stop = await timed('deploying to the cluster', () => setUpCluster(folder, line => console.log(line)))
    try {
      await timed(part.kind, () => runPart(files, part))
    } finally {
      await timed('leaving the cluster', stop)
      await removeServicesData(join(folder, 'services'))
    }
  } finally {
    await found.stop()
  }
}

async function runPart(files: readonly string[], part: { files: number; timeout: number }): Promise<void> {
  const stream = run({
    files: files.map(file => join(root, file)),
    concurrency: part.files,
    timeout: part.timeout,
    // A test that failed may have left something open: its file must end all the same.
    execArgv: ['--test-force-exit'],
    signal: stop.signal,
    isolation: 'process',
  })
  stream.on('test:summary', ({ file, counts }) => {
    if (file !== undefined) return
    sum.passed += counts.passed
    sum.failed += counts.tests - counts.passed - counts.skipped - counts.todo
    sum.skipped += counts.skipped + counts.todo
  })
  for await (const text of stream.compose(new spec())) process.stdout.write(String(text))
}

async function timed<T>(name: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now()
  try {
    return await work()
  } finally {
    took.push(`${name} ${((performance.now() - began) / 1_000).toFixed(1)} s`)
  }
}
