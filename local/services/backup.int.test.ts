import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { appendFile, mkdtemp, readdir, realpath, rename, rm, symlink, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { takeBackup } from './backup.ts'
import { clusterFolder } from './postgres-files.ts'
import { type RestoreOptions, restoreBackup } from './restore.ts'
import { removeServicesData, type Services, startServices } from './start.ts'
import { archiveFolder } from './wal-archive.ts'

const say = () => {}
let root: string
let dataDir: string
let out: string
let archive: string
let services: Services | undefined
let sql: postgres.Sql
let backup: string
/** Between the second row and the third. */
let moment: Date

const start = async (folder: string) => {
  services = await startServices({ dataDir: folder, only: ['postgres'], ports: 'free', say })
  sql = postgres(`${services.urls.postgres}/postgres`, { max: 1, onnotice: () => {} })
}
const stop = async () => {
  await sql.end()
  await services?.stop()
  services = undefined
}
const heights = async () => (await sql<{ height: number }[]>`select height from tide order by height`).map(({ height }) => height)

before(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'tidemark-backup-')))
  dataDir = join(root, 'shop')
  out = join(root, 'backups')
  await start(dataDir)
  archive = archiveFolder(clusterFolder(await realpath(dataDir), process.getuid?.() === 0))
  await sql`create table tide (height int)`
  await sql`insert into tide values (1)`
  // One that fails leaves no archive that would grow for nothing.
  const elsewhere = join(archive, '..', 'data', 'pg_tblspc', 'elsewhere')
  await symlink(root, elsewhere)
  await assert.rejects(takeBackup({ dataDir, out, keep: 1, say }), /tablespaces are not backed up/)
  await unlink(elsewhere)
  assert.ok(!existsSync(archive))
  backup = (await takeBackup({ dataDir, out, keep: 1, say })).folder
  await sql`insert into tide values (2)`
  await sleep(50)
  moment = new Date()
  await sleep(50)
  await sql`insert into tide values (3)`
  // A fast shutdown closes and archives what there is.
  await stop()
})
after(async () => {
  if (services) await stop()
  for (const folder of ['shop', 'other']) await removeServicesData(join(root, folder))
  await rm(root, { recursive: true })
})

const restore = (options: Partial<RestoreOptions> = {}) =>
  restoreBackup({ from: backup, to: 'latest', dataDir: join(root, 'other'), force: true, say, ...options })

test('a moment between two transactions is restored into another folder, and the archive of the first is left as it is', async () => {
  const before = await readdir(archive)
  const { timeline, lastTransaction } = await restore({ to: moment })
  assert.equal(timeline, 2)
  assert.ok(lastTransaction && lastTransaction <= moment)
  await start(join(root, 'other'))
  assert.deepEqual(await heights(), [1, 2])
  await stop()
  assert.deepEqual(await readdir(archive), before)
})

test('all that was archived is restored', async () => {
  const { lastTransaction } = await restore()
  assert.ok(lastTransaction && lastTransaction > moment)
  await start(join(root, 'other'))
  assert.deepEqual(await heights(), [1, 2, 3])
  await stop()
})

test('a cluster that is there is not overwritten, and one that runs not at all', async () => {
  await assert.rejects(restore({ dataDir, force: false }), /is not empty: --force/)
  await start(dataDir)
  await assert.rejects(restore({ dataDir }), /is in use by process/)
  assert.deepEqual(await heights(), [1, 2, 3])
  await stop()
})

test('a moment that cannot be reached is said to be one, be it before the backup or after the archive', async () => {
  await assert.rejects(restore({ to: new Date(moment.getTime() - 3_600_000) }), /take an older one/)
  await assert.rejects(
    restore({ to: new Date(Date.now() + 3_600_000) }),
    /recovery ended before configured recovery target was reached/,
  )
})

test('an archive with a segment missing in its middle is not taken for a whole one', async () => {
  const segments = (await readdir(archive)).filter(name => /^[0-9A-F]{24}\.gz$/.test(name)).sort()
  const missing = join(archive, segments.at(-2) as string)
  await rename(missing, join(root, 'missing'))
  try {
    await assert.rejects(restore(), /a segment between them is missing/)
  } finally {
    await rename(join(root, 'missing'), missing)
  }
})

test('a new backup replaces the oldest above those that are kept, with the WAL that only it needed', async () => {
  await start(dataDir)
  const oldest = (await readdir(archive)).filter(name => /^[0-9A-F]{24}\.gz$/.test(name)).sort()[0]
  await sleep(1_000)
  const second = await takeBackup({ dataDir, out, keep: 1, say })
  await stop()
  assert.deepEqual(await readdir(out), [second.folder.split('/').at(-1)])
  assert.ok(!(await readdir(archive)).includes(oldest as string))
  backup = second.folder
})

test('a backup that is not what it was is refused before anything is touched', async () => {
  await appendFile(join(backup, 'data', 'PG_VERSION'), 'x')
  await assert.rejects(restore(), /PG_VERSION is not what was backed up/)
  await assert.rejects(restore({ from: root }), /is not a backup/)
})
