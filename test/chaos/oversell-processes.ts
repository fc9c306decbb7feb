import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { issuerEnvironment } from '../token-issuer.ts'

const root = join(import.meta.dirname, '../..')

export interface Instance {
  readonly url: string
  /** SIGKILL: nothing is drained. Returns when the process is gone. */
  kill(): Promise<void>
}

export interface Instances {
  /** Those that clients may ask now. */
  readonly urls: () => readonly string[]
  /** Kills the nth with all it has in hand, and puts a new process in its place. */
  replace(nth: number): Promise<void>
  /** Processes that ended although nobody had killed them. */
  readonly endedByThemselves: () => readonly string[]
  stop(): Promise<void>
}

/** Processes of the inventory function on one database, as `main.ts` makes them. */
export async function startInstances(count: number, databaseUrl: string): Promise<Instances> {
  const ended: string[] = []
  const start = () => startInstance(databaseUrl, how => ended.push(how))
  const instances = await Promise.all(Array.from({ length: count }, start))
  return {
    urls: () => instances.map(({ url }) => url),
    async replace(nth) {
      await instances[nth]?.kill()
      instances[nth] = await start()
    },
    endedByThemselves: () => ended,
    async stop() {
      await Promise.all(instances.map(instance => instance.kill()))
    },
  }
}

async function startInstance(databaseUrl: string, endedByItself: (how: string) => void): Promise<Instance> {
  const child: ChildProcess = spawn(process.execPath, ['main.ts', 'inventory'], {
    cwd: root,
    env: {
      ...process.env,
      ...(await issuerEnvironment('inventory')),
      ...{ INVENTORY_DATABASE_URL: databaseUrl, HOST: '127.0.0.1', PORT: '0', METRICS_PORT: '0', LOG_LEVEL: 'info' },
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let isKilled = false
  const gone = once(child, 'exit').then(([code, signal]) => {
    if (!isKilled) endedByItself(`inventory (process ${child.pid}) ended with ${signal ?? code}`)
  })
  const kill = async () => {
    isKilled = true
    child.kill('SIGKILL')
    await gone
  }
  // The test may be given up before it stops anybody.
  process.once('exit', () => child.kill('SIGKILL'))
  const { promise: listening, resolve } = Promise.withResolvers<number>()
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', text => {
    const { msg, port } = JSON.parse(text) as { msg?: string; port?: number }
    if (msg === 'listening') resolve(Number(port))
  })
  const port = await Promise.race([
    listening,
    gone.then(() => Promise.reject(new Error('an instance of inventory did not start'))),
  ])
  return { url: `http://127.0.0.1:${port}`, kill }
}
