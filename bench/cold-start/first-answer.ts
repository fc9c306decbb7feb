import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { request } from 'node:http'
import { freePort } from '../../local/services/ports.ts'

export interface Question {
  readonly method: string
  readonly path: string
  readonly headers?: Record<string, string>
  readonly body?: string
  readonly status: number
}

/** Milliseconds after which a process that gives no answer is given up. */
const patience = 20_000

/**
 * Milliseconds from the start of a process to its first answer to `question`. It is asked again and again from the start on,
 * as a probe asks; a refused connection costs some 100 µs.
 */
export async function firstAnswer(program: {
  command: readonly [string, ...string[]]
  env: Record<string, string>
  logFile: string
  question: Question
}): Promise<number> {
  const [port, metricsPort] = [await freePort(), await freePort()]
  const log = openSync(program.logFile, 'a')
  const [command, ...args] = program.command
  const start = performance.now()
  const child = spawn(command, args, {
    stdio: ['ignore', log, log],
    env: { ...program.env, HOST: '127.0.0.1', PORT: String(port), METRICS_PORT: String(metricsPort) },
  })
  closeSync(log)
  const ended = once(child, 'exit')
  try {
    for (;;) {
      const status = await ask(port, program.question)
      const took = performance.now() - start
      if (status === program.question.status) return took
      if (status !== 0 || took > patience || child.exitCode !== null) {
        throw new Error(`${program.command.join(' ')}: status ${status} after ${Math.round(took)} ms; see ${program.logFile}`)
      }
      await new Promise(resolve => setTimeout(resolve, 3))
    }
  } finally {
    child.kill('SIGKILL')
    await ended
  }
}

/** The status, or 0 while nobody listens. */
const ask = (port: number, { method, path, headers, body }: Question): Promise<number> =>
  new Promise(resolve => {
    const asked = request({ host: '127.0.0.1', port, method, path, headers, agent: false, timeout: patience }, answer => {
      answer.resume()
      answer.on('end', () => resolve(answer.statusCode ?? 0))
    })
    asked.on('timeout', () => asked.destroy())
    asked.on('error', () => resolve(0))
    asked.end(body)
  })
