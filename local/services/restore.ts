import { existsSync } from 'node:fs'
import { copyFile, mkdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { assertSame, copyToDisk, forEach, isThere, makeFile, makeFolder, syncFolder } from './backup-files.ts'
import { type Manifest, readManifest } from './backup-manifest.ts'
import { cacheFolder, seconds } from './cache.ts'
import { keepRunning, type Running } from './keep-running.ts'
import { freePort, loopback } from './ports.ts'
import { postgresServer } from './postgres.ts'
import { makeClusterFolder, type PostgresUser, postgresBinaries, postgresUser } from './postgres-files.ts'
import { openProcessBook } from './process-book.ts'
import { lastLines } from './run-command.ts'
import type { Say } from './service.ts'
import { lsn, newestSegment, restoreCommand, type Segment } from './wal-archive.ts'

/** The services' part of what `npm run dev` was given. */
export const servicesFolder = (data: string): string =>
  existsSync(join(data, 'postgres-password')) ? data : join(data, 'services')

export interface Restored {
  /** When the last transaction that is there was committed; undefined when the WAL held none. */
  readonly lastTransaction: Date | undefined
  readonly timeline: number
  /** What was there before. */
  readonly aside: string | undefined
}

export interface RestoreOptions {
  from: string
  to: Date | 'latest'
  dataDir: string
  /** Default: the archive of the server that was backed up. */
  archive?: string | undefined
  /** Moves what is there aside. Without it, a cluster that is there is an error. */
  force: boolean
  say: Say
}

/** Lays a backup out, replays the archive up to a moment, and stops the server again: the next start of the services goes on from there. */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { say, to } = options
  const began = performance.now()
  const from = resolve(options.from)
  const manifest = await readManifest(from)
  if (to !== 'latest' && to < new Date(manifest.endedAt)) {
    throw new Error(`This backup ended at ${manifest.endedAt}: for ${to.toISOString()} take an older one.`)
  }
  const archive = options.archive ? resolve(options.archive) : manifest.archive
  if (!(await isThere(archive))) say(`restore: there is no archive ${archive}: the backup alone is restored`)
  await mkdir(join(resolve(options.dataDir), 'log'), { recursive: true })
  const dataDir = await realpath(options.dataDir)
  // One run at a time on a data folder, and not beside the services.
  const book = await openProcessBook(dataDir, say)
  try {
    const [binaries, user, folder] = await Promise.all([
      postgresBinaries(cacheFolder(), say),
      postgresUser(),
      makeClusterFolder(dataDir),
    ])
    const data = join(folder, 'data')
    const isFilled = await isThere(data)
    if (isFilled && !options.force) throw new Error(`${data} is not empty: --force moves what is there aside.`)
    const making = join(folder, 'restoring')
    await rm(making, { recursive: true, force: true })
    await layOut(from, manifest, making, user).catch(async error => {
      await rm(making, { recursive: true, force: true })
      throw error
    })
    say(`restore: ${manifest.files.length} files laid out and checked, in ${seconds(began)}`)
    const aside = isFilled ? `${data}-before-${Date.now()}` : undefined
    if (aside) await rename(data, aside)
    await rename(making, data)
    await keepPassword(from, dataDir)
    await makeFile(join(data, 'recovery.signal'), user)
    const server = { folder, binaries, user, password: await readFile(join(from, 'password'), 'utf8'), say }
    const logFile = join(dataDir, 'log', 'restore.log')
    const port = await freePort()
    // Looked at before the server starts: it writes a timeline of its own there.
    const newest = to === 'latest' ? await newestSegment(archive) : undefined
    const { service, url } = await postgresServer({ ...server, host: loopback, port, settings: recovery(archive, to) })
    const running = await keepRunning({ ...service, readyWithinMs: 3_600_000 }, { logFile, book, say, restart: false })
    try {
      const { lastTransaction, timeline } = await untilRecovered(running, url, newest, logFile)
      const moment = lastTransaction ? `the transaction of ${lastTransaction.toISOString()}` : 'the end of the backup'
      say(`restore: up to ${moment}, timeline ${timeline}, in ${seconds(began)}`)
      if (aside) say(`restore: what was there before is ${aside}`)
      return { lastTransaction, timeline, aside }
    } finally {
      await running.stop()
    }
  } finally {
    book.close()
  }
}

/** Copies a backup's files into a new folder; each has the size and sum it was backed up with. */
export async function layOut(from: string, manifest: Manifest, target: string, user: PostgresUser): Promise<void> {
  await makeFolder(target, user)
  for (const path of manifest.folders) await makeFolder(join(target, path), user)
  await forEach(manifest.files, async file => {
    assertSame(file, await copyToDisk(join(from, 'data', file.path), join(target, file.path), user), from)
  })
  for (const path of [...manifest.folders.toReversed(), '']) await syncFolder(join(target, path))
}

/** The roles come with the data, and so does the password of one. */
async function keepPassword(from: string, dataDir: string): Promise<void> {
  const file = join(dataDir, 'postgres-password')
  const [theirs, ours] = await Promise.all([
    readFile(join(from, 'password'), 'utf8'),
    readFile(file, 'utf8').catch(() => undefined),
  ])
  if (ours === theirs) return
  if (ours !== undefined) await copyFile(file, `${file}-before-${Date.now()}`)
  await writeFile(`${file}.new`, theirs, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

/** Given at this start alone: nothing of it stays in the cluster. */
const recovery = (archive: string, to: Date | 'latest'): Record<string, string> => ({
  restore_command: restoreCommand(archive),
  recovery_target_timeline: 'latest',
  // Postgres does not know the abbreviation Z this early.
  ...(to !== 'latest' && { recovery_target_time: to.toISOString().replace('Z', '+00'), recovery_target_action: 'promote' }),
})

async function untilRecovered(
  running: Running,
  url: string,
  newest: Segment | undefined,
  logFile: string,
): Promise<Pick<Restored, 'lastTransaction' | 'timeline'>> {
  const sql = postgres(`${url}/postgres`, { max: 1, connect_timeout: 5, onnotice: () => {} })
  try {
    while ((await sql<{ is: boolean }[]>`select pg_is_in_recovery() as is`)[0]?.is) await sleep(50)
    const [found] = await sql<{ last: Date | null; segment: string; replayed: string }[]>`
      select pg_last_xact_replay_timestamp() as last, pg_walfile_name(pg_current_wal_lsn()) as segment,
             pg_last_wal_replay_lsn()::text as replayed`
    if (!found) throw new Error('no answer')
    if (newest && lsn(found.replayed) < newest.begin) {
      throw new Error(`It ended at ${found.replayed}, but the archive holds ${newest.name}: a segment between them is missing.`)
    }
    return { lastTransaction: found.last ?? undefined, timeline: Number.parseInt(found.segment.slice(0, 8), 16) }
  } catch (error) {
    // A recovery that cannot reach its target ends the server, and only its log says why.
    if (running.pid() !== undefined) throw error
    const log = await readFile(logFile, 'utf8').catch(() => '')
    throw new Error(`The recovery failed. The end of ${logFile}:\n${lastLines(log, 12)}`, { cause: error })
  } finally {
    await sql.end({ timeout: 1 })
  }
}
