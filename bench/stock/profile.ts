import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { functions } from '../../functions/index.ts'
import { databaseUrl } from '../../local/settings.ts'
import type { TidemarkFunction } from '../../shared/function/declare.ts'
import { timeByKind } from '../cpu-profile.ts'
import { startLoader } from '../load/loader.ts'
import { progress, type Result, shown } from '../measure.ts'
import { openStage, type Process, type Stage } from '../stage.ts'
import { connections, reservation, skus } from './reservations.ts'
import { openTables } from './tables.ts'

const warmUp = 2
const seconds = 8

/** Where the time of one reservation goes: in the function by rooms of its code, in Postgres, and in the log. */
export async function profile(): Promise<readonly Result[]> {
  const stage = await openStage(['postgres'])
  try {
    const url = databaseUrl(stage.urls.postgres, 'inventory')
    const tables = openTables(url, skus)
    await tables.reset()
    const sql = postgres(url, { max: 1 })
    const inventory = await startProfiled(stage)
    const measured = await underLoad(stage, inventory, sql)
    await Promise.all([sql.end(), tables.close()])
    // The profile is written when the process ends.
    await inventory.stop()
    await tell(stage, measured)
    return []
  } finally {
    await stage.close()
  }
}

async function startProfiled(stage: Stage): Promise<Process> {
  const fn = (await functions.inventory?.()) as TidemarkFunction
  const command = [process.execPath, '--cpu-prof', `--cpu-prof-dir=${stage.folder}`, stage.entry, 'inventory'] as const
  return stage.startProgram('inventory', [...command], stage.environment(fn))
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
  readonly reservations: number
  readonly perSecond: number
}

async function underLoad(stage: Stage, inventory: Process, sql: postgres.Sql): Promise<Measured> {
  const loader = await startLoader()
  const request = await reservation(stage)
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
    ...{ reservations: answers, perSecond, functionCpu: grown('functionCpu'), postgresCpu: grown('postgresCpu') },
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

/** Clock ticks of Linux: hundredths of a second. */
async function cpuSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
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

async function tell(stage: Stage, measured: Measured): Promise<void> {
  const { reservations, perSecond, functionCpu, postgresCpu, wal, transactions } = measured
  const each = (cpu: number) => `${shown((cpu / reservations) * 1e6)} µs`
  progress(`${shown(perSecond)} reservations/s, ${shown(reservations / transactions)} in a transaction, each with`)
  progress(`  ${each(functionCpu)} of CPU in the function (all its threads, and the profiler)`)
  progress(`  ${each(postgresCpu)} of CPU in Postgres`)
  progress(`  ${shown(wal / reservations)} bytes of write-ahead log`)
  const file = (await readdir(stage.folder)).find(name => name.endsWith('.cpuprofile'))
  const times = await timeByKind(join(stage.folder, file as string), roomOf)
  const busy = [...times].filter(([room]) => room !== 'waiting').sort(([, a], [, b]) => b - a)
  const total = busy.reduce((sum, [, time]) => sum + time, 0)
  progress('the function’s main thread while it works:')
  for (const [room, time] of busy) progress(`  ${String(Math.round((time / total) * 100)).padStart(3)} %  ${room}`)
}
