import { createReadStream } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type { Database } from '../../shared/data/postgres.ts'
import { sumsOf } from './archive-carry.ts'
import { assertWhole, columns, readManifest, sameSums } from './archive-files.ts'

/** Where archived movements are looked at again, one table a file: beside the ledger, which stays as it is. */
export const restoredSchema = 'archived'

/** Loads an archived part of the ledger into a table of its own. @returns the table's name */
export async function restoreArchive(database: Database, manifestFile: string, say: (line: string) => void): Promise<string> {
  const manifest = await readManifest(manifestFile)
  if (!manifest) throw new Error(`There is no ${manifestFile}.`)
  const folder = dirname(manifestFile)
  await assertWhole(folder, manifest)
  const table = `${restoredSchema}.${manifest.partition}`
  await database.transaction(async tx => {
    await tx`set local statement_timeout = 0`
    await tx`set local idle_in_transaction_session_timeout = 0`
    await tx.unsafe(`create schema if not exists ${restoredSchema}`)
    const [there] = await tx<{ isThere: boolean }[]>`select to_regclass(${table}) is not null as "isThere"`
    if (there?.isThere) throw new Error(`${table} is there already: drop table ${table}, or look at it.`)
    await tx.unsafe(`create table ${table} (like movement including constraints)`)
    const into = await tx.unsafe(`copy ${table} (${columns.join(', ')}) from stdin with (format csv, header)`).writable()
    await pipeline(createReadStream(join(folder, manifest.file)), createGunzip(), into as unknown as Writable)
    if (!sameSums(await sumsOf(tx, table), manifest)) throw new Error(`${table} does not hold what was archived`)
    await tx.unsafe(`create index on ${table} (sku, at)`)
    await tx.unsafe(`analyze ${table}`)
  })
  say(`archive: ${manifest.rows.toLocaleString('en-GB')} movements in ${table}; when you have seen them: drop table ${table}`)
  return table
}
