import { after } from 'node:test'
import postgres from 'postgres'
import type { TidemarkFunction } from '../shared/function/declare.ts'
import type { DatabaseName } from '../shared/function/resources.ts'
import { cloneDatabase, type Started, startFunction } from './environment.ts'

export interface OwnDatabase {
  readonly url: string
  /** To look at it, and to put there what no operation would. */
  readonly sql: postgres.Sql
  /** Starts a function on it. */
  start(fn: TidemarkFunction, env?: Record<string, string>): Promise<Started>
}

/** A database of a test file's own, and the functions that stand on it. All of it ends after the file's last test. */
export async function ownDatabase(name: DatabaseName): Promise<OwnDatabase> {
  const { url, drop } = await cloneDatabase(name)
  const sql = postgres(url, { max: 2 })
  const running = new Set<Started>()
  after(async () => {
    await Promise.all([...[...running].map(one => one.stop()), sql.end()])
    await drop()
  })
  return {
    url,
    sql,
    async start(fn, env = {}) {
      const one = await startFunction(fn, { [`${name.toUpperCase()}_DATABASE_URL`]: url, ...env })
      running.add(one)
      return {
        ...one,
        stop() {
          running.delete(one)
          return one.stop()
        },
      }
    },
  }
}
