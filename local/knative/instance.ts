import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { request } from 'node:http'
import { freePort } from '../services/ports.ts'

/** One process of a function: what a pod is to Knative. */
export interface Instance {
  readonly port: number
  readonly metricsPort: number
  readonly pid: number
  /** Requests it works on. */
  inFlight: number
  /** Settles when the process has ended. */
  readonly ended: Promise<void>
  /** SIGTERM, and SIGKILL when it has not drained within `deadline` milliseconds. */
  stop(deadline: number): Promise<void>
}

/** Milliseconds from start to readiness after which a process is given up. */
const readyDeadline = 15_000

/** Starts a process and waits until it says that it is ready. */
export async function startInstance(options: {
  name: string
  command: readonly [string, ...string[]]
  env: Record<string, string>
  logFile: string
  port?: number | undefined
  host?: string | undefined
  started: (pid: number) => void
}): Promise<Instance> {
  const [port, metricsPort] = [options.port ?? (await freePort()), await freePort()]
  const log = openSync(options.logFile, 'a')
  const [command, ...args] = options.command
  const child = spawn(command, args, {
    // A group of its own: Ctrl-C in the terminal must not end it before it has drained.
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...options.env, HOST: options.host ?? '127.0.0.1', PORT: String(port), METRICS_PORT: String(metricsPort) },
  })
  closeSync(log)
  const ended = new Promise<void>(resolve => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  if (child.pid === undefined) throw new Error(`${options.name} could not be started.`)
  options.started(child.pid)
  const instance: Instance = {
    port,
    metricsPort,
    pid: child.pid,
    inFlight: 0,
    ended,
    stop: deadline => stop(child, ended, deadline),
  }
  if (!(await becomesReady(child, port))) {
    await instance.stop(0)
    throw new Error(`${options.name} did not become ready; its log is ${options.logFile}`)
  }
  return instance
}

async function becomesReady(child: ChildProcess, port: number): Promise<boolean> {
  const until = Date.now() + readyDeadline
  while (Date.now() < until && child.exitCode === null && child.signalCode === null) {
    if ((await probe(port)) === 200) return true
    await new Promise(resolve => setTimeout(resolve, 15))
  }
  return false
}

const probe = (port: number): Promise<number> =>
  new Promise(resolve => {
    const asked = request({ host: '127.0.0.1', port, path: '/health/readiness', agent: false, timeout: 2_000 }, answer => {
      answer.resume()
      resolve(answer.statusCode ?? 0)
    })
    asked.on('timeout', () => asked.destroy())
    asked.on('error', () => resolve(0))
    asked.end()
  })

async function stop(child: ChildProcess, ended: Promise<void>, deadline: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  if (deadline > 0) child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), deadline)
  await ended
  clearTimeout(timer)
}
