import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { retailer } from '../../local/issuer.ts'
import { removeServicesData } from '../../local/services/start.ts'
import { type System, startSystem } from '../../local/system.ts'
import type { Report } from '../../replay/report.ts'

/** Every function that has a part in a sale or an alert. */
const victims = [
  'orders-place',
  'inventory',
  'outbox-relay',
  'payments-charge',
  'orders-settle',
  'alerts-evaluate',
  'gateway',
  'notifications-plan',
  'notifications-send',
  'payments-refund',
  'inventory-restore',
  'orders-cancel',
  'alerts-set-thresholds',
] as const

let system: System
let dataDir: string

before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tidemark-chaos-'))
  system = await startSystem({ dataDir, ports: 'free', say: () => {} })
})

after(async () => {
  await system.stop()
  await removeServicesData(join(dataDir, 'services'))
})

test('a replay ends with every invariant true although each function, the relay and Kafka are killed in its middle', {
  timeout: 240_000,
}, async () => {
  const replay = startReplay()
  const killed = new Map<string, number>()
  const kill = (name: string, pid: number | undefined): void => {
    if (pid === undefined) return
    process.kill(pid, 'SIGKILL')
    killed.set(name, (killed.get(name) ?? 0) + 1)
  }

  await replay.sending
  for (let round = 0; replay.running() && round < 200; round++) {
    if (round === 8) kill('kafka', system.servicePid('kafka'))
    // Those that were missed because they slept come first.
    const awake = victims.filter(name => system.pids(name).length > 0)
    const victim = awake.find(name => !killed.has(name)) ?? awake[round % awake.length]
    // Later on only who was not awake before: what is killed again and again gets nothing done.
    if (victim && (round < 60 || !killed.has(victim))) kill(victim, system.pids(victim)[0])
    await new Promise(resolve => setTimeout(resolve, 400))
  }

  const report = await replay.report
  assert.deepEqual(
    Object.entries(report.invariants).filter(([, holds]) => !holds),
    [],
    JSON.stringify(report, null, 2),
  )
  for (const name of [...victims, 'kafka']) {
    assert.ok(killed.has(name), `${name} was never killed`)
  }
  assert.ok(report.orders.placed > 200, `${report.orders.placed} orders placed`)
})

/** The sample, slowly enough that there is a middle. */
function startReplay() {
  const file = (name: string) => new URL(`../../replay/${name}`, import.meta.url).pathname
  const child = spawn(process.execPath, [file('main.ts'), file('sample.csv'), '--json', '--concurrency', '4'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      TIDEMARK_URL: system.gatewayUrl,
      TIDEMARK_TOKEN_URL: system.tokenUrl,
      TIDEMARK_CLIENT_ID: retailer.id,
      TIDEMARK_CLIENT_SECRET: retailer.secret,
    },
    cwd: dataDir,
  })
  let running = true
  let printed = ''
  let progress = ''
  const sending = Promise.withResolvers<void>()
  child.stdout.on('data', chunk => {
    printed += chunk
  })
  child.stderr.on('data', chunk => {
    progress += chunk
    if (/steps/.test(progress)) sending.resolve()
  })
  const report = new Promise<Report>((resolve, reject) => {
    child.once('exit', code => {
      running = false
      sending.resolve()
      const last = printed.trim().split('\n').at(-1) ?? ''
      if (last.startsWith('{')) resolve(JSON.parse(last) as Report)
      else reject(new Error(`the replay ended with ${code}:\n${progress.slice(-3_000)}`))
    })
  })
  return { running: () => running, sending: sending.promise, report }
}
