import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join, sep } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { functions } from './index.ts'

const root = join(import.meta.dirname, '..')

/** Prints the files that a process of one function loads, relative to the project: by its import alone, or until it listens. */
const program = (name: string, started: boolean) => `
  import { registerHooks } from 'node:module'
  const loaded = []
  registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context) } })
  const { functions } = await import('./functions/index.ts')
  const fn = await functions[${JSON.stringify(name)}]()
  ${started ? "await (await import('./shared/function/start.ts')).start(fn, process.env)" : ''}
  process.stdout.write(JSON.stringify(loaded), () => process.exit(0))
`

async function loadedBy(name: string, env?: Record<string, string>): Promise<string[]> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', program(name, env !== undefined)],
    {
      cwd: root,
      env: { ...process.env, PORT: '0', METRICS_PORT: '0', LOG_LEVEL: 'silent', ...env },
      maxBuffer: 10 * 1024 * 1024,
    },
  )
  const here = `file://${root.split(sep).join('/')}/`
  return (JSON.parse(stdout) as string[]).filter(url => url.startsWith(here)).map(url => url.slice(here.length))
}

/** Packages whose import alone costs more than a small request, or that open a door which the function should not have. */
const heavy = [
  'kafkajs',
  '@kafkajs',
  'ioredis',
  '@aws-sdk',
  '@opentelemetry/sdk-node',
  'avsc',
  'postgres',
  'cors',
  'liquidjs',
  'swagger-ui-dist',
  'rate-limiter-flexible',
  'twilio',
  'firebase-admin',
  'google-auth-library',
]
const packagesIn = (files: readonly string[]) =>
  heavy.filter(name => files.some(file => file.startsWith(`node_modules/${name}/`))).sort()

/** What an import alone may bring, where it brings any. Everything else comes with the first use. */
const brings: Record<string, string[]> = {
  gateway: ['cors', 'rate-limiter-flexible'],
  inventory: ['postgres'],
}

/** Plumbing is named after what it does, everything else after its folder first. */
const folderOf = (name: string) =>
  ['outbox-relay', 'dead-letters', 'records-forget', 'events-backlog'].includes(name) ? 'plumbing' : name.split('-')[0]

test('a function imports what it needs, and no other function', { concurrency: 2 }, async t => {
  await Promise.all(
    Object.keys(functions).map(name =>
      t.test(`${name} imports its own folder and light packages`, async () => {
        const files = await loadedBy(name)
        const folder = folderOf(name)
        const others = files.filter(file => /^functions\/[^/]+\//.test(file) && !file.startsWith(`functions/${folder}/`))
        assert.deepEqual(others, [])
        assert.ok(files.some(file => file.startsWith(`functions/${folder}/`)))
        assert.deepEqual(packagesIn(files), brings[name] ?? [])
      }),
    ),
  )
})

const nowhere = 'http://127.0.0.1:1'
const tokens = { JWKS_URL: nowhere, TOKEN_ISSUER: nowhere, TOKEN_URL: nowhere, CLIENT_ID: 'x', CLIENT_SECRET: 'xxxxxxxx' }

test('a process that places orders listens without Kafka, Redis, Avro, AWS and OpenTelemetry', async () => {
  const files = await loadedBy('orders-place', { ...tokens, ORDERS_DATABASE_URL: 'postgres://x:x@127.0.0.1:1/x' })
  assert.deepEqual(packagesIn(files), ['postgres'])
})

test('a process that sends notifications loads the SDKs of its providers and the registry with its first event only', async () => {
  const files = await loadedBy('notifications-send', {
    ...{ NOTIFICATIONS_DATABASE_URL: 'postgres://x:x@127.0.0.1:1/x', SCHEMA_REGISTRY_URL: nowhere },
    ...{ REDIS_URL: 'redis://127.0.0.1:1', SEALING_KEYS: `a:${'A'.repeat(43)}` },
  })
  assert.deepEqual(packagesIn(files), ['avsc', 'ioredis', 'postgres', 'rate-limiter-flexible'])
})
