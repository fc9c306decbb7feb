import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { seconds } from './cache.ts'
import type { ProcessBook } from './process-book.ts'
import { signal } from './process-identity.ts'
import { lastLines } from './run-command.ts'
import type { Say, Service } from './service.ts'

export interface Running {
  pid(): number | undefined
  stop(): Promise<void>
}

export interface KeepRunningOptions {
  logFile: string
  book: ProcessBook
  say: Say
  restart: boolean
}

const mostRestarts = 10
/** A service that held for a minute after a restart is not in a crash loop: its count begins again. */
const forgivenAfterMs = 60_000

export function restartDelayMs(restarts: number): number {
  return Math.min(5_000, 100 * 2 ** restarts)
}

/** Starts a service, waits until it answers, and starts it again on the same port and data when it dies. */
export async function keepRunning(service: Service, { logFile, book, say, restart }: KeepRunningOptions): Promise<Running> {
  let child: ChildProcess | undefined
  let stopping = false
  let restarts = 0
  let startedAt = 0
  let recovering: Promise<void> = Promise.resolve()

  async function launch(flags: 'w' | 'a'): Promise<void> {
    await service.beforeStart?.()
    const { file, args, ...options } = service.program()
    const log = openSync(logFile, flags)
    // A group of its own: Ctrl-C in the terminal must not end it before the functions have drained.
    const started = spawn(file, args, { ...options, detached: true, stdio: ['ignore', log, log] })
    closeSync(log)
    const ended = new Promise<string>(resolve => {
      started.once('error', error => resolve(`could not be started: ${error.message}`))
      started.once('exit', (code, by) => resolve(`ended with ${by ?? `code ${code}`}`))
    })
    const { pid } = started
    if (pid !== undefined) {
      book.add(service.name, pid, service.stopSignal)
      child = started
      ended.then(() => {
        if (child === started) child = undefined
        book.remove(pid)
      })
    }
    try {
      await Promise.race([untilReady(service, () => stopping), ended.then(how => Promise.reject(new Error(how)))])
    } catch (error) {
      if (pid !== undefined && child === started) signal(-pid, 'SIGKILL')
      await ended
      throw failure(service, error as Error, logFile)
    }
    startedAt = performance.now()
    ended.then(how => {
      if (stopping) return
      say(`${service.name}: process ${pid} ${how}`)
      if (restart) recovering = recover()
    })
  }

  async function recover(): Promise<void> {
    const began = performance.now()
    if (began - startedAt > forgivenAfterMs) restarts = 0
    while (restarts < mostRestarts) {
      await sleep(restartDelayMs(restarts++))
      if (stopping) return
      try {
        await launch('a')
        say(`${service.name}: running again after ${seconds(began)} (process ${child?.pid})`)
        return
      } catch (error) {
        if (stopping) return
        say((error as Error).message)
      }
    }
    say(`${service.name}: died ${mostRestarts} times in a row, left stopped; its log is ${logFile}`)
  }

  try {
    await launch('w')
  } catch (error) {
    if (!service.afterFailedStart?.()) throw error
    await launch('w')
  }
  return {
    pid: () => child?.pid,
    async stop() {
      stopping = true
      await recovering
      const last = child
      if (last?.pid === undefined) return
      const gone = new Promise<void>(resolve => last.once('exit', () => resolve()))
      signal(last.pid, service.stopSignal)
      const giveUp = new AbortController()
      const late = sleep(service.stopWithinMs, 'late', { signal: giveUp.signal }).catch(() => undefined)
      if ((await Promise.race([gone, late])) === 'late') {
        say(`${service.name}: still there ${service.stopWithinMs / 1000} s after ${service.stopSignal}, killing it`)
        signal(-last.pid, 'SIGKILL')
        await gone
      }
      giveUp.abort()
    },
  }
}

async function untilReady(service: Service, givenUp: () => boolean): Promise<void> {
  const deadline = performance.now() + service.readyWithinMs
  for (;;) {
    try {
      return await within(2_000, service.probe())
    } catch (error) {
      if (givenUp()) throw new Error('was stopped before it was ready')
      if (performance.now() > deadline) {
        throw new Error(`did not answer within ${service.readyWithinMs / 1000} s (${(error as Error).message})`)
      }
      await sleep(50)
    }
  }
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const settled = new AbortController()
  const late = sleep(ms, undefined, { signal: settled.signal }).then(() => Promise.reject(new Error(`no answer in ${ms} ms`)))
  try {
    return await Promise.race([work, late])
  } finally {
    settled.abort()
    late.catch(() => undefined)
  }
}

function failure(service: Service, cause: Error, logFile: string): Error {
  let log = ''
  try {
    log = lastLines(readFileSync(logFile, 'utf8'), 20)
  } catch {
    // The log may be missing when not even the program could be found.
  }
  return new Error(`${service.name} ${cause.message}. The end of its log ${logFile}:\n${log}`, { cause })
}
