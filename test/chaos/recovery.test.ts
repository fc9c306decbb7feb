import assert from 'node:assert/strict'
import { mkdtemp, readFile, realpath } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { inventory } from '../../functions/inventory/inventory.ts'
import { type Backup, takeBackup } from '../../local/services/backup.ts'
import { clusterFolder } from '../../local/services/postgres-files.ts'
import { signal } from '../../local/services/process-identity.ts'
import { restoreBackup } from '../../local/services/restore.ts'
import { removeServicesData } from '../../local/services/start.ts'
import { archiveFolder, lsn, newestSegment } from '../../local/services/wal-archive.ts'
import { migrate } from '../../shared/data/migrate.ts'
import { cuttableConnection } from '../cuttable-connection.ts'
import { startFunction, until } from '../environment.ts'
import { type Load, markLog, openStock, startLoad } from './recovery-load.ts'
import { brokenInvariants, lostWrites } from './recovery-proof.ts'
import { type DrillServer, startServer, startStandby } from './recovery-server.ts'

/** Seconds. In operation a segment waits for a minute at most; the drill has no minute. */
const archiveTimeout = 3
/** Seconds for closing a segment, compressing it and bringing it to disk, on a machine that is busy with other things. */
const archiving = 6
/** Milliseconds: recovery point and recovery time. */
const objective = { loss: 5 * 60_000, down: 30 * 60_000 }
const database = 'tidemark_inventory'
const say = () => {}

const ending: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

interface Shop {
  readonly dataDir: string
  readonly primary: DrillServer
  readonly target: { port: number }
  readonly load: Load
  readonly backup: Backup
}

/** A shop that trades: its own Postgres behind an address that can be turned elsewhere, and a base backup taken in the middle of the trade. */
async function tradingShop(): Promise<Shop> {
  const dataDir = await realpath(await mkdtemp(join(tmpdir(), 'tidemark-recovery-')))
  ending.push(() => removeServicesData(dataDir))
  const primary = await startServer(dataDir, { archive_timeout: `${archiveTimeout}s` })
  ending.push(() => primary.stop())
  await primary.sql.unsafe(`create database ${database}`)
  await migrate({ url: `${primary.url}/${database}`, database: 'inventory' })
  const target = { host: '127.0.0.1', port: primary.port }
  const address = await cuttableConnection(target)
  ending.push(() => address.close())
  const url = `${primary.url.replace(/:\d+$/, `:${address.port}`)}/${database}`
  const fn = await startFunction(inventory, { INVENTORY_DATABASE_URL: url })
  ending.push(() => fn.stop())
  await openStock(fn)
  const load = startLoad(fn, 6)
  ending.push(() => load.stop())
  await sleep(1_000)
  const backup = await takeBackup({ dataDir, out: join(dataDir, 'backups'), keep: 1, say })
  return { dataDir, primary, target, load, backup }
}

const inventoryOf = (server: DrillServer): postgres.Sql => {
  const sql = postgres(`${server.url}/${database}`, { max: 1, onnotice: () => {} })
  ending.push(() => sql.end({ timeout: 1 }))
  return sql
}

const secondsOf = (milliseconds: number): string => `${(milliseconds / 1_000).toFixed(1)} s`

/** Returns when another two segments have reached the archive and then none for two seconds: so much there is to lose at least. */
async function archivedTwice(primary: DrillServer): Promise<void> {
  const count = async () => {
    const [row] = await primary.sql<{ count: number }[]>`select archived_count::int as count from pg_stat_archiver`
    return row?.count ?? 0
  }
  for (let more = 0; more < 2; more++) {
    const was = await count()
    await until('a segment is archived', count, now => now > was)
  }
  for (let tries = 0; tries < 10; tries++) {
    const was = await count()
    await sleep(2_000)
    if ((await count()) === was) return
  }
}

/** The trade goes on, and what is answered from here on is kept. */
async function goesOnTrue(load: Load, inventoryDatabase: postgres.Sql, before: number): Promise<void> {
  const later = () => load.answered.slice(before)
  await until(
    'another hundred writes are answered',
    () => later().length,
    count => count >= 100,
  )
  await load.stop()
  assert.deepEqual(await lostWrites(inventoryDatabase, later()), [])
  assert.deepEqual(await brokenInvariants(inventoryDatabase), [])
  assert.ok(load.refused() > 0, 'the scarce one was never refused')
}

test('a lost database is back from its base backup and archive with all but the last seconds, and every invariant is true', {
  timeout: 240_000,
}, async t => {
  const { dataDir, primary, target, load, backup } = await tradingShop()
  const log = markLog(primary.sql)
  await archivedTwice(primary)
  const killedAt = await primary.lose()
  log.stop()
  const archived = await newestSegment(archiveFolder(clusterFolder(dataDir, process.getuid?.() === 0)))
  assert.ok(archived)
  const { lastTransaction, timeline } = await restoreBackup({ from: backup.folder, to: 'latest', dataDir, force: false, say })
  const server = await startServer(dataDir, { archive_timeout: `${archiveTimeout}s` })
  ending.push(() => server.stop())
  // Only now: answers that were on their way at the kill have arrived, and there has been nobody who could give new ones.
  const answered = [...load.answered]
  const archivedBefore = log.marks.findLast(mark => lsn(mark.lsn) <= archived.end)?.before ?? 0
  const afterTheBackup = answered.filter(({ at }) => at > Date.parse(backup.manifest.endedAt) && at < archivedBefore)
  assert.ok(afterTheBackup.length > 100, `${afterTheBackup.length} writes stand in the archive alone`)
  const inventoryDatabase = inventoryOf(server)
  const lost = await lostWrites(inventoryDatabase, answered)
  assert.deepEqual(await brokenInvariants(inventoryDatabase), [])
  const again = load.nextReservation()
  target.port = server.port
  const down = (await again) - killedAt

  const loss = Math.max(0, ...lost.map(({ at }) => killedAt - at))
  t.diagnostic(`lost ${lost.length} of ${answered.length} answered writes, the last ${secondsOf(loss)}`)
  t.diagnostic(`that is with archive_timeout ${archiveTimeout} s; the objective is ${secondsOf(objective.loss)} with 60 s`)
  t.diagnostic(`sold again ${secondsOf(down)} after the kill; the objective is ${secondsOf(objective.down)}`)
  assert.deepEqual(
    lost.filter(({ at }) => at < archivedBefore),
    [],
    'lost although it was archived',
  )
  assert.ok(lastTransaction && lost.every(({ at }) => at >= lastTransaction.getTime()), 'lost although later ones are there')
  assert.ok(lost.length > 0, 'a drill that loses nothing here cannot see what it loses')
  assert.ok(loss <= (archiveTimeout + archiving) * 1_000, `lost ${secondsOf(loss)}`)
  assert.ok(loss < objective.loss / 10 && down < objective.down)
  assert.equal(timeline, 2)
  await goesOnTrue(load, inventoryDatabase, answered.length)
})

test('a lost primary costs not one answered write when its synchronous standby is promoted', { timeout: 240_000 }, async t => {
  const { dataDir, primary, target, load, backup } = await tradingShop()
  const standbyDir = await realpath(await mkdtemp(join(tmpdir(), 'tidemark-standby-')))
  ending.push(() => removeServicesData(standbyDir))
  const password = await readFile(join(dataDir, 'postgres-password'), 'utf8')
  const standby = await startStandby(standbyDir, backup.folder, primary.port, password)
  ending.push(() => standby.stop())
  await primary.sql`alter system set synchronous_standby_names = 'standby'`
  await primary.sql`select pg_reload_conf()`
  const state = async () =>
    (await primary.sql<{ state: string }[]>`select sync_state as state from pg_stat_replication`)[0]?.state
  await until('commits wait for the standby', state, is => is === 'sync')
  const synchronousSince = Date.now()
  await sleep(2_000)
  const [receiver] = await standby.sql<{ pid: number }[]>`select pid from pg_stat_wal_receiver`
  assert.ok(receiver)
  process.kill(receiver.pid, 'SIGSTOP')
  let killedAt: number
  try {
    await sleep(500)
    const whileAway = load.answered.length
    await sleep(500)
    assert.equal(load.answered.length, whileAway, 'a write was answered that stood on one disk')
    killedAt = await primary.lose()
  } finally {
    signal(receiver.pid, 'SIGCONT')
  }
  const answered = [...load.answered]
  assert.ok(answered.filter(({ at }) => at > synchronousSince).length > 100)
  await standby.sql`select pg_promote()`
  const again = load.nextReservation()
  target.port = standby.port
  const down = (await again) - killedAt

  const inventoryDatabase = inventoryOf(standby)
  const lost = await lostWrites(inventoryDatabase, answered)
  t.diagnostic(`lost ${lost.length} of ${answered.length} answered writes`)
  t.diagnostic(`sold again ${secondsOf(down)} after the kill; the objective is ${secondsOf(objective.down)}`)
  assert.deepEqual(lost, [])
  assert.ok(down < objective.down)
  await goesOnTrue(load, inventoryDatabase, answered.length)
})
