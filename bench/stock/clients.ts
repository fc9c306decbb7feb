import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { quantile } from '../measure.ts'
import { reservationStatement } from './sql.ts'

/** Database clients that run the reservation's transaction one at a time each, without HTTP. */
export interface Clients {
  /** Transactions a second. */
  run(load: { clients: number; skus: number; seconds: number }): Promise<number>
  /** Milliseconds of one client's transactions, `rate` a second, so that each commits alone. */
  alone(load: { skus: number; seconds: number; rate: number }): Promise<{ p50: number; p99: number }>
}

/** Which clients measured: pgbench when it is on PATH, else a loop in postgres.js. */
export async function openClients(url: string, uuid: string, folder: string): Promise<{ name: string; clients: Clients }> {
  const found = await output('pgbench', ['--version']).catch(() => undefined)
  if (found === undefined) return { name: 'postgres.js', clients: loop(url, uuid) }
  return { name: 'pgbench', clients: await pgbench(url, uuid, folder) }
}

async function pgbench(url: string, uuid: string, folder: string): Promise<Clients> {
  const statement = reservationStatement(
    { sku: ":prefix || lpad(:sku::text, 5, '0')", key: ":run || '-' || :client_id || '-' || :n" },
    uuid,
  )
  const script = join(folder, 'reservation.sql')
  await writeFile(script, `\\set sku random(0, :skus - 1)\n\\set n :n + 1\n${statement};\n`)
  let runs = 0
  const start = (load: { clients: number; skus: number; seconds: number }, more: readonly string[]) =>
    output('pgbench', [
      ...['--no-vacuum', '--protocol=prepared', `--file=${script}`, `--client=${load.clients}`, `--time=${load.seconds}`],
      ...['--define=n=0', `--define=run=run${++runs}`, '--define=prefix=SKU-', `--define=skus=${load.skus}`, ...more, url],
    ])
  return {
    async run(load) {
      const told = await start(load, [`--jobs=${Math.min(load.clients, 2)}`])
      const tps = /^tps = ([\d.]+)/m.exec(told)?.[1]
      if (!tps || /number of failed transactions: [1-9]/.test(told)) throw new Error(told)
      return Number(tps)
    },
    async alone({ skus, seconds, rate }) {
      const logs = await mkdtemp(join(folder, 'pgbench-'))
      await start({ clients: 1, skus, seconds }, [`--rate=${rate}`, '--log', `--log-prefix=${join(logs, 'log')}`])
      const lines = (await Promise.all((await readdir(logs)).map(name => readFile(join(logs, name), 'utf8'))))
        .join('')
        .split('\n')
      await rm(logs, { recursive: true })
      // client, transaction, latency from when it was due (µs), …, lag of its start (µs)
      const took = lines
        .filter(Boolean)
        .map(text => text.split(' ').map(Number))
        .map(fields => ((fields[2] ?? 0) - (fields[6] ?? 0)) / 1_000)
      return { p50: quantile(took, 0.5), p99: quantile(took, 0.99) }
    },
  }
}

function loop(url: string, uuid: string): Clients {
  let runs = 0
  const run = async (load: { clients: number; skus: number; seconds: number; rate?: number }) => {
    const child = fork(new URL('./clients-process.ts', import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    child.send({ ...load, url, uuid, run: `run${++runs}` })
    const [told] = (await once(child, 'message', { signal: AbortSignal.timeout((load.seconds + 15) * 1_000) })) as [
      { tps: number; p50: number; p99: number },
    ]
    return told
  }
  return {
    run: async load => (await run(load)).tps,
    alone: load => run({ ...load, clients: 1 }),
  }
}

async function output(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  let complaint = ''
  child.stdout.on('data', chunk => {
    text += chunk
  })
  child.stderr.on('data', chunk => {
    complaint += chunk
  })
  const [status] = await once(child, 'close')
  if (status !== 0) throw new Error(`${command} failed: ${complaint}`)
  return text
}
