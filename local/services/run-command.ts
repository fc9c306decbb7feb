import { type SpawnOptions, spawn } from 'node:child_process'

/** Runs a command to its end. Rejects with the last lines of what it said; resolves with stdout. */
export function run(file: string, args: string[], options: SpawnOptions & { timeoutMs?: number } = {}): Promise<string> {
  const { timeoutMs = 600_000, ...spawnOptions } = options
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs, ...spawnOptions })
    let stdout = ''
    let both = ''
    child.stdout?.on('data', chunk => {
      stdout += chunk
      both += chunk
    })
    child.stderr?.on('data', chunk => {
      both += chunk
    })
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve(stdout)
      else reject(new Error(`${file} ended with ${signal ?? code}:\n${lastLines(both, 20)}`))
    })
  })
}

export function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n')
}
