import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { loopback } from './ports.ts'
import {
  ensureCluster,
  letOthersIn,
  makeClusterFolder,
  type PostgresUser,
  postgresBinaries,
  postgresUser,
} from './postgres-files.ts'
import { commandOf, endProcess, startOf } from './process-identity.ts'
import type { Say, Service } from './service.ts'
import { archiveSettings } from './wal-archive.ts'

/** Given at every start and not written into the cluster, so that a change here reaches old data too. */
export function postgresSettings(port: number, host: string): Record<string, string> {
  return {
    port: String(port),
    listen_addresses: host,
    // Everyone connects by TCP with a password; a socket would be one more door.
    unix_socket_directories: '',
    max_connections: '200',
    shared_buffers: '256MB',
    // An answered sale must survive a power cut here as in production: measurements without fsync would be lies.
    fsync: 'on',
    synchronous_commit: 'on',
    // For base backups, the archive and standbys.
    wal_level: 'replica',
    max_wal_size: '4GB',
    checkpoint_completion_target: '0.9',
    random_page_cost: '1.1',
    // Default 1 min: the rows of hot SKUs are rewritten hundreds of times a second.
    autovacuum_naptime: '10s',
    max_prepared_transactions: '0',
    timezone: 'UTC',
    log_timezone: 'UTC',
  }
}

export async function probePostgres(url: string): Promise<void> {
  const sql = postgres(`${url}/postgres`, { max: 1, connect_timeout: 2, onnotice: () => {} })
  try {
    await sql`select 1`
  } finally {
    await sql.end({ timeout: 1 })
  }
}

export async function postgresService(options: {
  dataDir: string
  cache: string
  host: string
  choosePort: () => Promise<number>
  say: Say
  /** Beside the usual ones. */
  settings?: Record<string, string>
}): Promise<{ service: Service; url: string }> {
  const { dataDir, cache, host, say } = options
  const [binaries, user, folder] = await Promise.all([postgresBinaries(cache, say), postgresUser(), makeClusterFolder(dataDir)])
  const password = await ensureCluster(dataDir, folder, binaries, user, say)
  const port = await options.choosePort()
  const settings = { ...(host !== loopback && { hba_file: await letOthersIn(folder) }), ...options.settings }
  return postgresServer({ folder, binaries, user, password, host, port, settings, say })
}

export interface PostgresServer {
  /** Holds the cluster as `data`, and its archive. */
  folder: string
  binaries: string
  user: PostgresUser
  password: string
  host: string
  port: number
  settings: Record<string, string>
  say: Say
}

/** A server on a cluster that is there. */
export async function postgresServer(options: PostgresServer): Promise<{ service: Service; url: string }> {
  const { folder, binaries, user, password, host, port, say } = options
  const data = join(folder, 'data')
  const url = `postgres://tidemark:${password}@${host}:${port}`
  const given = { ...postgresSettings(port, host), ...(await archiveSettings(folder)), ...options.settings }
  const settings = Object.entries(given).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const service: Service = {
    name: 'postgres',
    program: () => ({
      file: join(binaries, 'bin', 'postgres'),
      args: ['-D', data, ...settings],
      cwd: folder,
      env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' },
      ...user,
    }),
    beforeStart: () => clearLeftPostmaster(data, say),
    probe: () => probePostgres(url),
    // Recovery after kill -9 replays up to 4 GB of log.
    readyWithinMs: 120_000,
    // "Fast": rolls open transactions back. SIGTERM would wait for every client to go.
    stopSignal: 'SIGINT',
    stopWithinMs: 20_000,
  }
  return { service, url }
}

/**
 * A killed run leaves `postmaster.pid`. Postgres itself clears it, with the shared memory it names, unless a process with that
 * pid is alive: then it is either our old postmaster, which is ended, or a stranger that got the number, and the file goes.
 */
async function clearLeftPostmaster(data: string, say: Say): Promise<void> {
  const file = join(data, 'postmaster.pid')
  let lines: string[]
  try {
    lines = readFileSync(file, 'utf8').split('\n')
  } catch {
    return
  }
  const pid = Number(lines[0])
  const started = Number.isInteger(pid) && pid > 0 ? startOf(pid) : undefined
  if (started === undefined) return
  if (lines[1] === data && commandOf(pid).includes(`-D ${data} `)) {
    say(`postgres: process ${pid} of an earlier run still holds ${data}, ending it`)
    await endProcess(pid, started, 'SIGINT', 20_000)
  } else {
    await rm(file, { force: true })
  }
}
