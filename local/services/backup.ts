import { copyFile, mkdir, open, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import postgres from 'postgres'
import { assertSame, type BackupFile, copyToDisk, forEach, isThere, listTree, readSum, syncFolder } from './backup-files.ts'
import { backupsIn, type Manifest, manifestFile } from './backup-manifest.ts'
import { seconds } from './cache.ts'
import { clusterFolder, postgresUser } from './postgres-files.ts'
import { run } from './run-command.ts'
import type { Say } from './service.ts'
import { archiveFolder, openArchive, removeOlderSegments, segmentsBetween } from './wal-archive.ts'

export interface Backup {
  readonly folder: string
  readonly manifest: Manifest
}

/**
 * Copies the data of a Postgres that runs and is written to, and waits until the archive has the WAL that makes the copy whole.
 * Then deletes the backups above `keep` and the WAL that no kept one needs.
 */
export async function takeBackup(options: { dataDir: string; out: string; keep: number; say: Say }): Promise<Backup> {
  const { say, keep } = options
  const dataDir = await realpath(options.dataDir).catch(() => {
    throw new Error(`There is no data folder ${options.dataDir}: start the services first.`)
  })
  const folder = clusterFolder(dataDir, process.getuid?.() === 0)
  const out = resolve(options.out)
  const server = await runningServer(dataDir, folder)
  await mkdir(out, { recursive: true, mode: 0o700 })
  const making = join(out, `.making-${process.pid}`)
  await rm(making, { recursive: true, force: true })
  await mkdir(making, { mode: 0o700 })
  const began = performance.now()
  const sql = postgres(`${server.url}/postgres`, { max: 1, connect_timeout: 5, onnotice: () => {} })
  const archive = archiveFolder(folder)
  const isFirst = !(await isThere(archive))
  try {
    await sql`select 1`
    await openArchive(folder, await postgresUser())
    const manifest = await copyCluster({ sql, data: join(folder, 'data'), archive, making, say })
    await copyFile(join(dataDir, passwordName), join(making, 'password'))
    await finish(making, manifest)
    const place = join(out, manifest.begunAt.replace(/[-:]|\.\d+/g, ''))
    await rename(making, place)
    await syncFolder(out)
    const bytes = manifest.files.reduce((sum, file) => sum + file.size, 0)
    say(`backup: ${manifest.files.length} files, ${megabytes(bytes)}, in ${seconds(began)}: ${place}`)
    if (isFirst) say(`backup: from now on WAL is kept in ${archive}, until a later backup makes it needless`)
    await prune(out, archive, keep, say)
    return { folder: place, manifest }
  } catch (error) {
    // Without a backup the archive is of no use and nothing would ever empty it.
    if (isFirst) await rm(archive, { recursive: true, force: true })
    throw error
  } finally {
    await sql.end({ timeout: 1 })
    await rm(making, { recursive: true, force: true })
  }
}

const passwordName = 'postgres-password'
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`

/** Where the server of this data answers, by the file that it keeps while it runs. */
async function runningServer(dataDir: string, folder: string): Promise<{ url: string }> {
  const lines = (await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
  const [, , , port, , host] = lines
  if (!port || !host) throw new Error(`No Postgres runs on ${dataDir}: start the services (npm run dev), then back up.`)
  return { url: `postgres://tidemark:${await readFile(join(dataDir, passwordName), 'utf8')}@${host}:${port}` }
}

async function copyCluster(options: {
  sql: postgres.Sql
  data: string
  archive: string
  making: string
  say: Say
}): Promise<Manifest> {
  const { sql, data, archive, making, say } = options
  const [about] = await sql<{ mode: string; version: string; system: string }[]>`
    select current_setting('archive_mode') as mode, current_setting('server_version') as version,
           (select system_identifier::text from pg_control_system()) as system`
  if (about?.mode !== 'on') throw new Error('This Postgres was started without an archive: stop and start the services once.')
  const begunAt = new Date().toISOString()
  // The server forgets a backup whose connection ends: this one lasts until the end.
  const [begin] = await sql<
    { segment: string }[]
  >`select pg_walfile_name(pg_backup_start(${`tidemark ${begunAt}`}, true)) as segment`
  say('backup: a checkpoint is made, copying')
  const target = join(making, 'data')
  await mkdir(target, { mode: 0o700 })
  const { folders, files } = await listTree(data, isBackedUp)
  for (const path of folders) await mkdir(join(target, path), { mode: 0o700 })
  const copied: BackupFile[] = []
  const copy = async (path: string) => {
    const written = await copyToDisk(join(data, path), join(target, path)).catch(async error => {
      // A table was dropped meanwhile: its WAL says so.
      if (error.code !== 'ENOENT') throw error
    })
    if (written) copied.push({ path, ...written })
  }
  await forEach(
    files.filter(path => path !== controlFile),
    copy,
  )
  // Last, so that it knows of every checkpoint whose pages were copied.
  await copy(controlFile)
  await sql`set statement_timeout = '120s'`
  const [end] = await sql<{ segment: string; label: string; tablespaces: string }[]>`
    select pg_walfile_name(lsn) as segment, labelfile as label, spcmapfile as tablespaces from pg_backup_stop(true)`
  if (!begin || !end || end.tablespaces !== '') throw new Error('Postgres did not end the backup as it began.')
  await writeFile(join(target, 'backup_label'), end.label, { mode: 0o600, flag: 'wx' })
  copied.push({ path: 'backup_label', ...(await readSum(join(target, 'backup_label'))) })
  for (const segment of segmentsBetween(begin.segment, end.segment)) {
    const path = `pg_wal/${segment}`
    await run('sh', ['-c', 'gzip -dc "$1" > "$2"', 'sh', join(archive, `${segment}.gz`), join(target, path)])
    copied.push({ path, ...(await readSum(join(target, path))) })
  }
  return {
    format: 1,
    postgres: about.version,
    systemIdentifier: about.system,
    begunAt,
    endedAt: new Date().toISOString(),
    firstSegment: begin.segment,
    lastSegment: end.segment,
    archive,
    folders,
    files: copied.sort((a, b) => (a.path < b.path ? -1 : 1)),
  }
}

const controlFile = 'global/pg_control'

/** What Postgres' own manual leaves out: what belongs to the process that runs, and what a recovery makes anew. */
function isBackedUp(path: string): boolean {
  const parts = path.split('/')
  const name = parts.at(-1) as string
  if (/^(postmaster\.(pid|opts)|backup_label|tablespace_map|(recovery|standby)\.signal)/.test(path)) return false
  if (/^(pgsql_tmp|pg_internal\.init)/.test(name)) return false
  const emptied = /^(pg_wal|pg_replslot|pg_dynshmem|pg_notify|pg_serial|pg_snapshots|pg_stat_tmp|pg_subtrans)$/
  return parts.length === 1 || !emptied.test(parts[0] as string) || path === 'pg_wal/archive_status'
}

/** Everything is read once more before the backup gets its name. */
async function finish(making: string, manifest: Manifest): Promise<void> {
  const target = join(making, 'data')
  await forEach(manifest.files, async file => assertSame(file, await readSum(join(target, file.path)), target))
  await writeFile(join(making, manifestFile), JSON.stringify(manifest, null, 1), { mode: 0o600 })
  const lateFiles = manifest.files.filter(({ path }) => path === 'backup_label' || path.startsWith('pg_wal/'))
  for (const file of [...lateFiles.map(({ path }) => join('data', path)), 'password', manifestFile]) {
    const handle = await open(join(making, file))
    await handle.sync()
    await handle.close()
  }
  for (const folder of [...manifest.folders.toReversed().map(path => join('data', path)), 'data', ''])
    await syncFolder(join(making, folder))
}

async function prune(out: string, archive: string, keep: number, say: Say): Promise<void> {
  const all = (await backupsIn(out)).filter(({ manifest }) => manifest.archive === archive)
  const old = all.slice(0, Math.max(0, all.length - keep))
  const oldest = all[old.length]
  if (!oldest) return
  for (const { folder } of old) await rm(folder, { recursive: true, force: true })
  const segments = await removeOlderSegments(archive, oldest.manifest.firstSegment)
  if (old.length + segments > 0)
    say(`backup: ${old.length} older backups and ${segments} segments of WAL before ${oldest.manifest.begunAt} deleted`)
  say(`backup: any moment since ${oldest.manifest.endedAt} can be restored`)
}
