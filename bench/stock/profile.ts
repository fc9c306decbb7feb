import { mkdtemp, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { functions } from '../../functions/index.ts'
import { databaseUrl } from '../../local/settings.ts'
import type { TidemarkFunction } from '../../shared/function/declare.ts'
import { timeByKind } from '../cpu-profile.ts'
import { startLoader } from '../load/loader.ts'
import type { RequestShape } from '../load/template.ts'
import { progress, type Result, shown } from '../measure.ts'
import { openStage, type Process, type Stage } from '../stage.ts'
import { openClients } from './clients.ts'
import { connections, connectionsOfReceipts, linesOfReceipt, receipt, reservation, skus } from './reservations.ts'
import { openTables } from './tables.ts'

const warmUp = 2
const seconds = 8

/** What is asked for, and how many of what is counted are in one request. */
interface Shape {
  readonly what: string
  readonly each: number
  readonly connections: number
  readonly request: (stage: Stage) => Promise<RequestShape>
}

const shapes: readonly Shape[] = [
  { what: 'reservations', each: 1, connections, request: reservation },
  { what: 'lines of receipts', each: linesOfReceipt, connections: connectionsOfReceipts, request: receipt },
]

/**
 * Where the time of one reservation and of one line of a receipt goes: in the function by rooms of its code, in Postgres, and in the
 * log. CPU stays comparable where others have the cores too; so it is told for the transaction of pgbench as well.
 */
export async function profile(): Promise<readonly Result[]> {
  const stage = await openStage(['postgres'])
  try {
    const url = databaseUrl(stage.urls.postgres, 'inventory')
    const tables = openTables(url, skus)
    const sql = postgres(url, { max: 1 })
    for (const shape of shapes) {
      await tables.reset()
      const folder = await mkdtemp(join(stage.folder, 'profile-'))
      const inventory = await startProfiled(stage, folder)
      const measured = await underLoad(stage, inventory, sql, shape)
      // The profile is written when the process ends.
      await inventory.stop()
      await tell(folder, measured, shape.what)
    }
    await tables.reset()
    await tellClients(stage, url, await tables.uuid(), sql)
    await Promise.all([sql.end(), tables.close()])
    return []
  } finally {
    await stage.close()
  }
}

async function startProfiled(stage: Stage, folder: string): Promise<Process> {
  const fn = (await functions.inventory?.()) as TidemarkFunction
  const command = [process.execPath, '--cpu-prof', `--cpu-prof-dir=${folder}`, stage.entry, 'inventory'] as const
  // A starved machine shall be slow here and not refuse.
  return stage.startProgram('inventory', [...command], stage.environment(fn, { STOCK_MAX_DELAY: '5000' }))
}

/** The clients' transaction: its server processes end with them, and are then in the account of those who started them. */
async function tellClients(stage: Stage, url: string, uuid: string, sql: postgres.Sql): Promise<void> {
  const { name, clients } = await openClients(url, uuid, stage.folder)
  const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`
  const postmaster = Number((await statOf(row?.pid as number))[1])
  const ended = async () => ({ server: await cpuOfEnded(postmaster), client: await cpuOfEnded(process.pid) })
  const before = await ended()
  const perSecond = await clients.run({ clients: 16, skus, seconds })
  await new Promise(resolve => setTimeout(resolve, 500))
  const after = await ended()
  const each = (cpu: number) => `${shown((cpu / perSecond / seconds) * 1e6)} µs`
  progress(`${shown(perSecond)} transactions/s of 16 clients of ${name}, each with`)
  progress(`  ${each(after.server - before.server)} of CPU in Postgres, ${each(after.client - before.client)} in the client`)
}

interface Figures {
  /** Seconds of CPU. */
  readonly functionCpu: number
  readonly postgresCpu: number
  /** Bytes of write-ahead log. */
  readonly wal: number
  readonly transactions: number
}

interface Measured extends Figures {
  readonly count: number
  readonly perSecond: number
}

async function underLoad(stage: Stage, inventory: Process, sql: postgres.Sql, shape: Shape): Promise<Measured> {
  const loader = await startLoader()
  const { connections, each } = shape
  const request = await shape.request(stage)
  const load = (seconds: number) =>
    loader.run({ skus, port: inventory.port, request, status: 201, connections, warmUp: 0, seconds })
  await load(warmUp)
  const before = await figures(inventory, sql)
  const { answers, perSecond } = await load(seconds)
  // The server's counters are told once a second.
  await new Promise(resolve => setTimeout(resolve, 1_500))
  const after = await figures(inventory, sql)
  loader.close()
  const grown = (name: keyof Figures) => after[name] - before[name]
  return {
    ...{
      count: answers * each,
      perSecond: perSecond * each,
      functionCpu: grown('functionCpu'),
      postgresCpu: grown('postgresCpu'),
    },
    ...{ wal: grown('wal'), transactions: grown('transactions') },
  }
}

async function figures(inventory: Process, sql: postgres.Sql): Promise<Figures> {
  const [row] = await sql<{ wal: string; transactions: string; pids: number[] }[]>`
    select pg_current_wal_lsn() - '0/0' as wal, xact_commit as transactions,
           (select array_agg(pid) from pg_stat_activity) as pids
    from pg_stat_database where datname = current_database()`
  const postgresCpu = (await Promise.all((row?.pids ?? []).map(cpuSeconds))).reduce((sum, one) => sum + one, 0)
  return {
    ...{ functionCpu: await cpuSeconds(inventory.pid), postgresCpu },
    ...{ wal: Number(row?.wal), transactions: Number(row?.transactions) },
  }
}

/** The fields of Linux' account of a process behind its name; times in hundredths of a second. */
const statOf = async (pid: number): Promise<string[]> =>
  (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []

async function cpuSeconds(pid: number): Promise<number> {
  const fields = await statOf(pid)
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Of the processes that it started and that have ended. */
async function cpuOfEnded(pid: number): Promise<number> {
  const fields = await statOf(pid)
  return (Number(fields[13]) + Number(fields[14])) / 100
}

/** Rooms of the code, by where its source lies; the first that fits. */
const rooms: readonly (readonly [string, RegExp])[] = [
  ['waiting', /^idle$/],
  ['garbage collection', /^garbage collector$/],
  ['HTTP: Node’s parser and sockets, event loop', /^(node|program)$/],
  ['the driver of Postgres, and its sockets', /node_modules\/postgres\/|shared\/data\/(postgres|session|together)/],
  ['log, metrics, trace', /node_modules\/(pino|sonic-boom|prom-client|safe-stable)|shared\/telemetry/],
  ['token', /node_modules\/jose|shared\/security/],
  ['schema, body, fingerprint', /node_modules\/zod|shared\/(fields|function\/(operate|body))/],
  ['rule, group commit, statements', /functions\/inventory|shared\/(data|events)/],
  ['host: routing, deadline, answer, ids', /shared\/function|node_modules\/(express|router|uuid)|main\.ts|function\.mjs/],
]
const roomOf = (source: string): string => rooms.find(([, pattern]) => pattern.test(source))?.[0] ?? 'other'

async function tell(folder: string, measured: Measured, what: string): Promise<void> {
  const { count, perSecond, functionCpu, postgresCpu, wal, transactions } = measured
  const each = (cpu: number) => `${shown((cpu / count) * 1e6)} µs`
  progress(`${shown(perSecond)} ${what}/s, ${shown(count / transactions)} in a transaction, each with`)
  progress(`  ${each(functionCpu)} of CPU in the function (all its threads, and the profiler)`)
  progress(`  ${each(postgresCpu)} of CPU in Postgres`)
  progress(`  ${shown(wal / count)} bytes of write-ahead log`)
  const file = (await readdir(folder)).find(name => name.endsWith('.cpuprofile'))
  const times = await timeByKind(join(folder, file as string), roomOf)
  const busy = [...times].filter(([room]) => room !== 'waiting').sort(([, a], [, b]) => b - a)
  const total = busy.reduce((sum, [, time]) => sum + time, 0)
  progress('the function’s main thread while it works:')
  for (const [room, time] of busy) progress(`  ${String(Math.round((time / total) * 100)).padStart(3)} %  ${room}`)
}
