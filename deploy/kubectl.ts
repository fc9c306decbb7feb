import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'

export interface KubectlOptions {
  /** Given to its standard input. */
  readonly input?: string
  /** Milliseconds. */
  readonly timeout?: number
}

/** kubectl said no: its words, without the usage text. */
export class KubectlError extends Error {
  override readonly name = 'KubectlError'
}

/** A cluster as kubectl speaks with it. */
export interface Kubectl {
  /** @returns what it printed */
  run(args: readonly string[], options?: KubectlOptions): Promise<string>
  /** One object or a list of them; undefined when there is none. */
  get<T>(args: readonly string[]): Promise<T | undefined>
  readonly context: string | undefined
}

/** A tool on PATH, or in a `bin` beside the kubeconfig, where some local clusters put theirs. */
export function findTool(name: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const beside = env.KUBECONFIG ? [join(dirname(env.KUBECONFIG.split(delimiter)[0] as string), 'bin')] : []
  return [...(env.PATH ?? '').split(delimiter), ...beside].map(folder => join(folder, name)).find(isExecutable)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const standardTimeout = 60_000

export function kubectl(options: { context?: string | undefined } = {}): Kubectl {
  const file = findTool('kubectl')
  if (!file) throw new KubectlError('kubectl is not on PATH: install it (https://kubernetes.io/docs/tasks/tools/).')
  const common = options.context ? ['--context', options.context] : []
  const run: Kubectl['run'] = (args, { input, timeout = standardTimeout } = {}) =>
    new Promise((resolve, reject) => {
      const child = spawn(file, [...common, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
      const output = { stdout: '', stderr: '' }
      for (const stream of ['stdout', 'stderr'] as const) {
        child[stream].setEncoding('utf8').on('data', text => {
          output[stream] += text
        })
      }
      const timer = setTimeout(() => child.kill('SIGKILL'), timeout)
      child.once('error', reject)
      child.once('close', code => {
        clearTimeout(timer)
        if (code === 0) return resolve(output.stdout)
        const reason = code === null ? `no answer within ${timeout / 1_000} s` : output.stderr.trim()
        reject(new KubectlError(`kubectl ${args.slice(0, 3).join(' ')}: ${reason}`))
      })
      child.stdin.on('error', () => {})
      child.stdin.end(input ?? '')
    })
  return {
    context: options.context,
    run,
    async get(args) {
      const text = await run(['get', ...args, '-o', 'json', '--ignore-not-found'])
      return text.trim() ? JSON.parse(text) : undefined
    },
  }
}
