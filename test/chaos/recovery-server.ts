import { spawnSync } from 'node:child_process'
import { mkdir, realpath, rename } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { makeFile } from '../../local/services/backup-files.ts'
import { readManifest } from '../../local/services/backup-manifest.ts'
import { cacheFolder } from '../../local/services/cache.ts'
import { keepRunning } from '../../local/services/keep-running.ts'
import { freePort, loopback } from '../../local/services/ports.ts'
import { postgresServer, postgresService } from '../../local/services/postgres.ts'
import { makeClusterFolder, postgresBinaries, postgresUser } from '../../local/services/postgres-files.ts'
import { openProcessBook } from '../../local/services/process-book.ts'
import { signal } from '../../local/services/process-identity.ts'
import { layOut } from '../../local/services/restore.ts'
import type { Service } from '../../local/services/service.ts'

const say = () => {}

export interface DrillServer {
  readonly url: string
  readonly port: number
  readonly sql: postgres.Sql
  /**
   * The machine is gone: no process of it lives on, and its data is where nobody finds it. The archive stays.
   * @returns when it was
   */
  lose(): Promise<number>
  stop(): Promise<void>
}

/** A Postgres of the drill's own, as the services start it, on a data folder that may hold one already. */
export async function startServer(dataDir: string, settings: Record<string, string>): Promise<DrillServer> {
  await mkdir(join(dataDir, 'log'), { recursive: true })
  const folder = await realpath(dataDir)
  let port = 0
  const choosePort = async () => {
    port = await freePort()
    return port
  }
  const made = await postgresService({ dataDir: folder, cache: cacheFolder(), host: loopback, choosePort, say, settings })
  return run(folder, made, port)
}

/** A standby that is laid out from a base backup and then follows the primary; `standby` is the name by which that knows it. */
export async function startStandby(dataDir: string, backup: string, primaryPort: number, password: string): Promise<DrillServer> {
  await mkdir(join(dataDir, 'log'), { recursive: true })
  const home = await realpath(dataDir)
  const [binaries, user, folder] = await Promise.all([
    postgresBinaries(cacheFolder(), say),
    postgresUser(),
    makeClusterFolder(home),
  ])
  const data = join(folder, 'data')
  await layOut(backup, await readManifest(backup), data, user)
  await makeFile(join(data, 'standby.signal'), user)
  const port = await freePort()
  const settings = {
    primary_conninfo: `host=${loopback} port=${primaryPort} user=tidemark password=${password} application_name=standby`,
  }
  const server = { folder, binaries, user, password, host: loopback, port, settings, say }
  return run(home, await postgresServer(server), port)
}

async function run(dataDir: string, { service, url }: { service: Service; url: string }, port: number): Promise<DrillServer> {
  const book = await openProcessBook(dataDir, say)
  const logFile = join(dataDir, 'log', 'postgres.log')
  const running = await keepRunning(service, { logFile, book, say, restart: false })
  const sql = postgres(`${url}/postgres`, { max: 2, onnotice: () => {} })
  const leave = async () => {
    await sql.end({ timeout: 1 })
    await running.stop()
    book.close()
  }
  return {
    url,
    port,
    sql,
    async lose() {
      // Its children outlive the parent for some milliseconds and would still answer.
      const parent = running.pid() as number
      for (const pid of [parent, ...childrenOf(parent)]) signal(pid, 'SIGKILL')
      const at = Date.now()
      const { args } = service.program()
      const data = args[args.indexOf('-D') + 1] as string
      await rename(data, `${data}-lost`)
      await leave()
      return at
    },
    stop: leave,
  }
}

function childrenOf(parent: number): number[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  const pairs = stdout
    .trim()
    .split('\n')
    .map(line => line.trim().split(/\s+/).map(Number))
  return pairs.flatMap(([pid, of]) => (of === parent && pid !== undefined ? [pid] : []))
}
