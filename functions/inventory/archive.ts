import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Readable } from 'node:stream'
import type { Database, Sql } from '../../shared/data/postgres.ts'
import { carry, sumsOf } from './archive-carry.ts'
import {
  type ArchiveManifest,
  assertWhole,
  columns,
  manifestPath,
  readBack,
  readManifest,
  sameSums,
  writeCompressed,
  writeManifest,
} from './archive-files.ts'
import { addedTo, monthOf, type Partition, partitionsOf } from './partitions.ts'
import { walk } from './reconcile-walk.ts'

export interface ArchiveOptions {
  readonly database: Database
  /** Where files and manifests are put. */
  readonly folder: string
  /** Whole months that stay, beside the present one. */
  readonly keep: number
  readonly now: () => Date
  readonly newId: () => string
  readonly say: (line: string) => void
}

export interface Archived {
  readonly partitions: readonly string[]
  readonly rows: number
}

/**
 * Moves whole partitions of the ledger that are old enough into files, the oldest first: prove all stock, export, read the file back,
 * carry the sums into the proof, detach, drop. Each step is done once and can be seen in the database or on the disk, so whoever comes
 * after an interruption goes on with the next one.
 */
export async function archive(options: ArchiveOptions): Promise<Archived> {
  await mkdir(options.folder, { recursive: true, mode: 0o700 })
  const session = await options.database.session()
  try {
    return await Promise.race([session.lost, archiveBy(options, session.sql)])
  } finally {
    // One that is lost has let go of both.
    await session.sql`select pg_advisory_unlock_all()`.catch(() => {})
    await session.sql`reset all`.catch(() => {})
    session.release()
  }
}

async function archiveBy(options: ArchiveOptions, sql: Sql): Promise<Archived> {
  const { say, keep } = options
  await sql`set statement_timeout = 0`
  // Days and hours in the files are those of UTC.
  await sql`set timezone = 'UTC'`
  const [lock] = await sql<{ taken: boolean }[]>`select pg_try_advisory_lock(hashtext('tidemark archive')) as taken`
  if (!lock?.taken) throw new Error('The ledger is being archived already.')
  const left = await finishCarried(options, sql)
  const due = await duePartitions(options, sql)
  if (due.length === 0)
    say(`archive: nothing ends before ${oldest(options).toISOString().slice(0, 10)} (${keep} months are kept)`)
  else await proveAll(options)
  let rows = left.rows
  for (const partition of due) rows += await archiveOne(options, sql, partition)
  return { partitions: [...left.partitions, ...due.map(({ name }) => name)], rows }
}

const oldest = ({ keep, now }: ArchiveOptions): Date => addedTo(monthOf(now()), -keep)

async function duePartitions(options: ArchiveOptions, sql: Sql): Promise<Partition[]> {
  const last = oldest(options)
  return (await partitionsOf(sql)).filter(({ ends }) => ends !== null && ends <= last)
}

/** A sum that is carried over is believed from then on: it has to be right. */
async function proveAll({ database, now, newId, say }: ArchiveOptions): Promise<void> {
  say('archive: proving all stock against its ledger')
  const { rows, movements } = await walk({ database, now, newId, mode: 'full', until: Number.POSITIVE_INFINITY })
  say(`archive: ${count(rows)} rows of stock proved by ${count(movements)} movements`)
}

async function archiveOne(options: ArchiveOptions, sql: Sql, partition: Partition): Promise<number> {
  const { database, say, now, folder } = options
  const path = resolve(manifestPath(folder, partition.name))
  const manifest = (await exportedBefore(options, sql, partition)) ?? (await exportPartition(options, sql, partition))
  await carry(database, manifest, path, now())
  say(`archive: ${partition.name}: its sums are carried into the proof`)
  await leave(options, sql, manifest)
  return manifest.rows
}

/** The manifest of an export that was not carried over, if that is still what the partition holds. */
async function exportedBefore({ folder, say }: ArchiveOptions, sql: Sql, { name }: Partition) {
  const manifest = await readManifest(manifestPath(folder, name))
  if (!manifest) return undefined
  await assertWhole(folder, manifest)
  if (sameSums(await sumsOf(sql, name), manifest)) return manifest
  say(`archive: ${name}: an export that was begun before is no longer all of it`)
  return undefined
}

async function exportPartition({ folder, now, say }: ArchiveOptions, sql: Sql, partition: Partition): Promise<ArchiveManifest> {
  const { name, begins, ends } = partition
  const file = `${name}.csv.gz`
  const csv = await sql.unsafe(`copy (select ${columns.join(', ')} from ${name}) to stdout with (format csv, header)`).readable()
  const written = await writeCompressed(csv as unknown as Readable, resolve(folder, file))
  const read = await readBack(resolve(folder, file))
  if (read.sha256 !== written.sha256) throw new Error(`${name}: what was written cannot be read back`)
  if (!sameSums(read, await sumsOf(sql, name))) throw new Error(`${name}: the file does not hold what the ledger does`)
  const manifest: ArchiveManifest = {
    ...{ format: 1, partition: name, begins: begins?.toISOString() ?? null, ends: (ends as Date).toISOString(), file },
    ...{ bytes: read.bytes, sha256: read.sha256, rows: read.rows, onHand: read.onHand, reserved: read.reserved },
    exportedAt: now().toISOString(),
  }
  await writeManifest(folder, manifest)
  say(`archive: ${name}: ${count(read.rows)} movements in ${(read.bytes / 1e6).toFixed(1)} MB, read back and whole`)
  return manifest
}

/** Goes on with what was carried over and is still here, attached or not. */
async function finishCarried(options: ArchiveOptions, sql: Sql): Promise<Archived> {
  const carried = await sql<{ partition: string; manifest: string }[]>`
    select partition, manifest from movement_archive where dropped_at is null order by ends`
  let rows = 0
  for (const { partition, manifest: path } of carried) {
    options.say(`archive: ${partition}: going on where it was left`)
    const manifest = await readManifest(path)
    if (!manifest) throw new Error(`${path}, the manifest of ${partition}, is gone: it is not dropped`)
    await leave(options, sql, manifest)
    rows += manifest.rows
  }
  return { partitions: carried.map(({ partition }) => partition), rows }
}

/**
 * Detaches and drops. Detaching `concurrently` waits for whoever still reads the ledger and lets everybody else go on; it takes two
 * transactions, and `finalize` does the second where whoever did the first was interrupted.
 */
async function leave({ now, say, folder }: ArchiveOptions, sql: Sql, manifest: ArchiveManifest): Promise<void> {
  const { partition: name } = manifest
  const found = (await partitionsOf(sql)).find(partition => partition.name === name)
  if (found?.isLeaving) await sql.unsafe(`alter table movement detach partition ${name} finalize`)
  else if (found) await sql.unsafe(`alter table movement detach partition ${name} concurrently`)
  const [table] = await sql<{ isThere: boolean }[]>`select to_regclass(${name}) is not null as "isThere"`
  if (table?.isThere) {
    // Nobody can write to it any more: what it holds now is what will be gone.
    if (!sameSums(await sumsOf(sql, name), manifest))
      throw new Error(`${name} was changed after it had been exported: it is not dropped`)
    await assertWhole(folder, manifest)
    await sql.unsafe(`drop table ${name}`)
  }
  await sql`update movement_archive set dropped_at = ${now()} where partition = ${name}`
  say(`archive: ${name}: gone from the ledger`)
}

const count = (units: number): string => units.toLocaleString('en-GB')
