import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, afterEach, before, test } from 'node:test'
import { serviceUrls, until } from '../../test/environment.ts'
import { issuerEnvironment, issueToken } from '../../test/token-issuer.ts'

interface Line {
  readonly level: string
  readonly msg: string
  readonly time: string
  readonly [field: string]: unknown
}

const folder = mkdtempSync(join(tmpdir(), 'settings-'))
const lines: Line[] = []
let url: string
let metricsUrl: string
let end: () => Promise<void>
let version = 0
/** What every version of the settings holds. */
let standard: Record<string, string>

/** As the kubelet does it: all files at once. */
function mount(files: Record<string, string>): void {
  const own = `..version-${++version}`
  mkdirSync(join(folder, own))
  for (const [name, text] of Object.entries({ ...standard, ...files })) writeFileSync(join(folder, own, name), `${text}\n`)
  symlinkSync(own, join(folder, '..data_tmp'))
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  if (version > 1) rmSync(join(folder, `..version-${version - 1}`), { recursive: true })
}

before(async () => {
  standard = {
    ...(await issuerEnvironment('gateway')),
    REDIS_URL: serviceUrls().redis,
    TOKEN_URL: 'http://127.0.0.1:9/oauth/token',
    FUNCTION_URL: 'http://127.0.0.1:9/{name}',
  }
  mount({ RATE_LIMIT_REQUESTS: '1000' })
  const metricsPort = 20_000 + Math.floor(Math.random() * 10_000)
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../main.ts'), 'gateway'], {
    env: { CONFIG_FOLDER: folder, CONFIG_INTERVAL: '20', PORT: '0', METRICS_PORT: String(metricsPort), HOST: '127.0.0.1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  createInterface(child.stdout).on('line', line => lines.push(JSON.parse(line) as Line))
  end = async () => {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  const listening = await told('listening')
  url = `http://127.0.0.1:${listening.port}`
  metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`
})
afterEach(() => lines.splice(0))
after(async () => {
  await end()
  rmSync(folder, { recursive: true })
})

const told = async (message: string): Promise<Line> =>
  (await until(
    `the log says: ${message}`,
    () => lines.find(({ msg }) => msg === message),
    line => line !== undefined,
  )) as Line
const policy = async () => (await fetch(`${url}/v1/orders`)).headers.get('ratelimit-policy')
const statusWithToken = async () => {
  const answer = await fetch(`${url}/v1/orders`, { headers: { authorization: `Bearer ${await issueToken()}` } })
  return answer.status
}
const metric = async (line: RegExp) => line.exec(await (await fetch(metricsUrl)).text())?.[1]

test('a limit that is mounted anew counts for the next request, without a restart', async () => {
  assert.equal(await policy(), '"client";q=1000;w=1')
  mount({ RATE_LIMIT_REQUESTS: '77', RATE_LIMIT_SECONDS: '2' })
  const changed = await told('settings changed')
  assert.deepEqual(changed.variables, ['RATE_LIMIT_REQUESTS', 'RATE_LIMIT_SECONDS'])
  assert.equal(await policy(), '"client";q=77;w=2')
  assert.equal(await metric(/tidemark_config_reloads_total\{result="applied",[^}]*\} (\d+)/), '1')
})

test('settings that cannot be used are refused as a whole, seen by a metric, and forgotten with the next good ones', async () => {
  mount({ RATE_LIMIT_REQUESTS: '88', TRUSTED_PROXIES: 'hunter2' })
  const refused = await told('changed settings are refused, the old ones stay')
  assert.deepEqual([refused.level, refused.variables], ['error', ['TRUSTED_PROXIES']])
  assert.ok(!JSON.stringify(lines).includes('hunter2'))
  assert.equal(await policy(), '"client";q=77;w=2')
  assert.equal(await metric(/tidemark_config_refused\{[^}]*\} (\d)/), '1')

  mount({ RATE_LIMIT_REQUESTS: '99' })
  await told('settings changed')
  assert.equal(await policy(), '"client";q=99;w=1')
  assert.equal(await metric(/tidemark_config_refused\{[^}]*\} (\d)/), '0')
})

test('the level of the log, the origins and the issuer follow too; where it listens is for the next start', async () => {
  mount({ LOG_LEVEL: 'warn', CORS_ORIGINS: 'https://shop.example', TOKEN_ISSUER: 'https://other.example', DRAIN_DEADLINE: '900' })
  const header = async () => {
    const answer = await fetch(`${url}/openapi.json`, { headers: { origin: 'https://shop.example' } })
    await answer.arrayBuffer()
    return answer.headers.get('access-control-allow-origin')
  }
  await until('the origin may call', header, allowed => allowed === 'https://shop.example')
  // Lines of before may still be on their way: the log writes several at once.
  const quiet = new Date().toISOString()
  lines.splice(0)
  assert.equal(await statusWithToken(), 401, 'the token is not of that issuer')
  mount({ LOG_LEVEL: 'info', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' })
  const later = await told('these settings take effect with the next start')
  assert.deepEqual(later.variables, ['OTEL_EXPORTER_OTLP_ENDPOINT'])
  assert.deepEqual(
    lines.filter(({ msg, time }) => msg === 'answered' && time >= quiet),
    [],
    'at warn an answer was not worth a line',
  )
  assert.equal(await statusWithToken(), 503, 'the token is believed again, and no function is there')
  await told('answered')
})
