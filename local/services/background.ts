import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { probeKafka } from './kafka.ts'
import { loopback } from './ports.ts'
import { probePostgres } from './postgres.ts'
import { endProcess, startOf } from './process-identity.ts'
import { probeRedis } from './redis.ts'
import { probeRegistry } from './registry.ts'
import { lastLines } from './run-command.ts'
import { type ServiceName, type ServiceUrls, serviceNames } from './service.ts'
import { urlVariable } from './service-urls.ts'
import { probeSes } from './ses.ts'

/** What a run in the background writes once all its services answer. */
interface Ready {
  readonly pid: number
  readonly started: string
  readonly host: string
  readonly urls: ServiceUrls
}

const readyFile = (dataDir: string): string => join(dataDir, 'background.json')

export function writeReadyFile(file: string, host: string, urls: ServiceUrls): void {
  const ready: Ready = { pid: process.pid, started: startOf(process.pid) ?? '', host, urls }
  writeFileSync(`${file}.new`, JSON.stringify(ready, null, 2), { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

/**
 * Starts the services so that they outlive the caller, or finds those that run on this data already.
 * Their log is `DATA/log/services.log`. The first start downloads about 600 MB, hence its deadline.
 */
export async function startInBackground(options: {
  dataDir: string
  host?: string
  ports?: 'preferred' | 'free'
  /** Milliseconds until all must answer. */
  within?: number
}): Promise<ServiceUrls> {
  const dataDir = resolve(options.dataDir)
  const { host = loopback, ports = 'preferred', within = 900_000 } = options
  const running = runningOn(dataDir)
  // One whose service just died is starting it again.
  if (running?.host === host && (await answersWithin(running.urls, 30_000))) return running.urls
  await stopInBackground(dataDir)
  mkdirSync(join(dataDir, 'log'), { recursive: true })
  const logFile = join(dataDir, 'log', 'services.log')
  // It names the passwords.
  const log = openSync(logFile, 'w', 0o600)
  const args = [
    '--data',
    dataDir,
    '--host',
    host,
    '--ready-file',
    readyFile(dataDir),
    ...(ports === 'free' ? ['--free-ports'] : []),
  ]
  const child = spawn(
    process.execPath,
    ['--disable-warning=TimeoutNegativeWarning', new URL('main.ts', import.meta.url).pathname, ...args],
    {
      detached: true,
      // Its own services alone: those that the environment names may listen where no pod reaches them.
      env: { ...process.env, ...Object.fromEntries(Object.values(urlVariable).map(name => [name, undefined])) },
      stdio: ['ignore', log, log],
    },
  )
  closeSync(log)
  child.unref()
  return untilReady(child, dataDir, logFile, within)
}

async function untilReady(child: ChildProcess, dataDir: string, logFile: string, within: number): Promise<ServiceUrls> {
  let failed: string | undefined
  child.once('error', error => {
    failed = error.message
  })
  child.once('exit', code => {
    failed = `it ended with code ${code}`
  })
  for (const deadline = performance.now() + within; performance.now() < deadline && failed === undefined; await sleep(50)) {
    const ready = runningOn(dataDir)
    if (ready) return ready.urls
  }
  const started = child.pid === undefined ? undefined : startOf(child.pid)
  if (child.pid !== undefined && started) await endProcess(child.pid, started, 'SIGTERM', 60_000)
  throw new Error(
    `The services did not start: ${failed ?? `not ready within ${within / 1000} s`}.\n${lastLines(readFileSync(logFile, 'utf8'), 20)}`,
  )
}

/** Ends what runs in the background on this data. Nothing happens when nothing does. */
export async function stopInBackground(dataDir: string): Promise<void> {
  const running = runningOn(resolve(dataDir))
  // Each service has its own deadline, 20 s at most; they stop one after the other.
  if (running) await endProcess(running.pid, running.started, 'SIGTERM', 90_000)
  rmSync(readyFile(resolve(dataDir)), { force: true })
}

function runningOn(dataDir: string): Ready | undefined {
  try {
    const ready = JSON.parse(readFileSync(readyFile(dataDir), 'utf8')) as Ready
    return startOf(ready.pid) === ready.started ? ready : undefined
  } catch {
    return undefined
  }
}

const probes: Record<ServiceName, (url: string) => Promise<void>> = {
  postgres: probePostgres,
  redis: probeRedis,
  kafka: probeKafka,
  registry: probeRegistry,
  ses: probeSes,
}

async function answersWithin(urls: ServiceUrls, milliseconds: number): Promise<boolean> {
  for (const deadline = performance.now() + milliseconds; performance.now() < deadline; await sleep(500)) {
    const answers = await Promise.allSettled(serviceNames.map(name => probes[name](urls[name])))
    if (answers.every(({ status }) => status === 'fulfilled')) return true
  }
  return false
}
