import postgres from 'postgres'
import { migrationsOf, migrationText } from './migration-files.ts'

/**
 * Brings a database to the newest migration. Each file runs once, in its own transaction, with its name kept in `migration`.
 * Safe to run by several processes at once: an advisory lock lets one work and the others find nothing to do.
 * @returns the names of the files that ran
 */
export async function migrate(options: { url: string; database: string }): Promise<string[]> {
  const sql = postgres(options.url, { max: 1, connect_timeout: 5, onnotice: () => {} })
  try {
    const files = await migrationsOf(options.database)
    const connection = await sql.reserve()
    await connection`select pg_advisory_lock(hashtext('tidemark migrate'))`
    await connection`create table if not exists migration (name text primary key, applied_at timestamptz not null default now())`
    const applied = new Set((await connection<{ name: string }[]>`select name from migration`).map(row => row.name))
    const missing = files.filter(name => !applied.has(name))
    for (const name of missing) {
      const text = await migrationText(name)
      await connection.unsafe(`begin; ${text}; insert into migration (name) values ('${name}'); commit;`)
    }
    connection.release()
    return missing
  } finally {
    await sql.end({ timeout: 5 })
  }
}
