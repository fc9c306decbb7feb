import { readdir, readFile } from 'node:fs/promises'
import type postgres from 'postgres'

const folder = new URL('./migrations/', import.meta.url)
const numbered = /^(\d{4})_[a-z0-9_]+\.sql$/

/** The migrations that this build brings for a database, in their order. What every database has comes from `every/` and runs first. */
export async function migrationsOf(database: string): Promise<string[]> {
  const files = await Promise.all(['every', database].map(filesIn))
  return files.flat()
}

export const migrationText = (name: string): Promise<string> => readFile(new URL(name, folder), 'utf8')

/** What a database has not got of this build's migrations. It may have more: those of a newer build. */
export async function missingMigrations(sql: postgres.Sql<{ bigint: number }>, database: string): Promise<string[]> {
  const [files, applied] = await Promise.all([migrationsOf(database), appliedTo(sql)])
  return files.filter(name => !applied.has(name))
}

async function appliedTo(sql: postgres.Sql<{ bigint: number }>): Promise<Set<string>> {
  try {
    return new Set((await sql<{ name: string }[]>`select name from migration`).map(row => row.name))
  } catch (error) {
    // undefined_table: nothing was ever migrated here.
    if ((error as { code?: string }).code === '42P01') return new Set()
    throw error
  }
}

/** `inventory/0001_stock.sql` */
async function filesIn(part: string): Promise<string[]> {
  const names = await readdir(new URL(`${part}/`, folder))
  return names
    .filter(name => numbered.test(name))
    .sort()
    .map(name => `${part}/${name}`)
}
