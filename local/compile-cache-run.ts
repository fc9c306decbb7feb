import { enableCompileCache, flushCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { functions as Functions } from '../functions/index.ts'
import type { configOf as ConfigOf, start as Start } from '../shared/function/start.ts'

// `node local/compile-cache-run.ts DIST-URL`: starts every bundled function once, in this one process.
const dist = process.argv[2] as string
enableCompileCache({ directory: fileURLToPath(new URL('compile-cache', dist)), portable: true })
const { functions } = (await import(new URL('functions.mjs', dist).href)) as { functions: typeof Functions }
const { configOf, start } = (await import(new URL('start.mjs', dist).href)) as { configOf: typeof ConfigOf; start: typeof Start }

const nowhere = 'http://127.0.0.1:9'
const databases = ['INVENTORY', 'ORDERS', 'PAYMENTS', 'ALERTS', 'NOTIFICATIONS']
const environment = {
  ...Object.fromEntries(databases.map(name => [`${name}_DATABASE_URL`, 'postgres://nobody@127.0.0.1:9/nothing'])),
  ...{ HOST: '127.0.0.1', PORT: '0', METRICS_PORT: '0', LOG_LEVEL: 'silent' },
  ...{ JWKS_URL: nowhere, TOKEN_ISSUER: nowhere, TOKEN_URL: nowhere, CLIENT_ID: 'nobody', CLIENT_SECRET: 'nothing to hide' },
  ...{ REDIS_URL: 'redis://127.0.0.1:9', KAFKA_BROKERS: '127.0.0.1:9', SCHEMA_REGISTRY_URL: nowhere },
  ...{ NOTIFY_FROM: 'nobody@example.org', NOTIFY_TO: 'nobody@example.org' },
  SEALING_KEYS: `nothing:${Buffer.alloc(32).toString('base64url')}`,
}

for (const load of Object.values(functions)) {
  const fn = await load()
  // One that works by itself would look for its services until it is stopped.
  const { run: _run, ...listening } = fn
  // Whatever else a function cannot do without is an address of something.
  const required = Object.entries(configOf(fn).shape).filter(([, setting]) => !setting.safeParse(undefined).success)
  const running = await start(listening, { ...Object.fromEntries(required.map(([name]) => [name, nowhere])), ...environment })
  await fetch(`http://127.0.0.1:${running.port}/health/readiness`)
  await running.stop()
}
flushCompileCache()
process.exit(0)
