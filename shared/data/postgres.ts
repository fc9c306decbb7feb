import postgres from 'postgres'
import { Transient } from '../errors.ts'
import { missingMigrations } from './migration-files.ts'
import { type Session, Sessions } from './session.ts'

export type Sql = postgres.Sql<{ bigint: number }>
export type Tx = postgres.TransactionSql<{ bigint: number }>
/** A statement runs the same on a connection of its own or inside a transaction. */
export type Queryable = Sql | Tx

export interface Database {
  readonly sql: Sql
  /** One transaction, read committed. A lost connection, a deadlock or a lock that never came is Transient. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  /** A connection of one's own, to be released. Its statements may be sent before the ones before them are answered. */
  session(): Promise<Session>
  /** Rejects while the database does not answer or lacks a migration of this build. */
  ready(): Promise<void>
  close(): Promise<void>
}

/** Deadlines that the server keeps, in milliseconds: no statement, lock or idle transaction outlives a request. */
const serverDeadlines = { statement_timeout: 10_000, lock_timeout: 5_000, idle_in_transaction_session_timeout: 15_000 }

/** Milliseconds within which a database that is there answers. */
const readyDeadline = 3_000

/** bigint columns are counts, versions and money in minor units: all far below 2⁵³. */
const bigintAsNumber = {
  to: 20,
  from: [20],
  serialize: (value: number) => String(value),
  parse: (text: string) => Number(text),
}

/**
 * The array types that statements are given, by their numbers in every Postgres. The driver would ask each new connection for them,
 * and a connection that is lost meanwhile would end the process: nobody waits for that question.
 */
const arrayTypes = Object.fromEntries(
  Object.entries({ text: 1009, bigint: 1016, int: 1007, uuid: 2951, timestamptz: 1185 }).map(([name, oid]) => [
    `${name}[]`,
    { to: oid, from: [], serialize: arrayText, parse: (text: string) => text },
  ]),
)

/** What JSON writes as an escape that an array's text does not know: control characters, and halves of surrogate pairs. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const beyondJson = /[\u0000-\u001f\ud800-\udfff]/

/** Quotes and backslashes are escaped alike in JSON and in an array's text, and JSON is written natively: quicker than value by value. */
function arrayText(items: readonly unknown[]): string {
  const json = JSON.stringify(items)
  const isBeyond = json.includes('\\') && items.some(item => typeof item === 'string' && beyondJson.test(item))
  return isBeyond ? `{${items.map(quoted).join(',')}}` : `{${json.slice(1, -1)}}`
}

const quoted = (item: unknown): string => (item === null ? 'null' : `"${String(item).replace(/["\\]/g, '\\$&')}"`)

export function openDatabase(options: {
  url: string
  /** Asked with every new connection, instead of the one in the URL: it may be changed while the process runs. */
  password?: () => string
  /** Connections for single statements, and as many again for transactions. */
  pool: number
  service: string
  /** The name by which migrations know the database: it is not ready before it has all of them. */
  migrations?: string
}): Database {
  const settings = {
    ...(options.password && { password: options.password }),
    connect_timeout: 3,
    // A function that sleeps between requests gives its connection back: connections are a budget.
    idle_timeout: 30,
    connection: { application_name: options.service, ...serverDeadlines },
    fetch_types: false,
    types: { ...arrayTypes, bigint: bigintAsNumber },
    onnotice: () => {},
  }
  const sql = postgres(options.url, { ...settings, max: options.pool }) as unknown as Sql
  const open = (onclose: () => void) => postgres(options.url, { ...settings, max: 1, onclose }) as unknown as Sql
  const sessions = new Sessions(open, options.pool)
  // Migrations are only ever added: a database that once had them all is not asked again.
  let isMigrated = options.migrations === undefined
  const answer = async () => {
    if (isMigrated) return void (await sql`select 1`)
    const missing = await missingMigrations(sql, options.migrations as string)
    if (missing.length > 0) throw new Transient('unavailable', `The database lacks ${missing.join(', ')}.`)
    isMigrated = true
  }
  return {
    sql,
    async transaction(work) {
      const session = await sessions.take().catch(error => Promise.reject(transientOr(error)))
      try {
        return await Promise.race([session.lost, inTransaction(session.sql, work)])
      } catch (error) {
        throw transientOr(error)
      } finally {
        session.release()
      }
    },
    session: () => sessions.take(),
    async ready() {
      const { promise, reject } = Promise.withResolvers<never>()
      const timer = setTimeout(() => reject(new Transient('unavailable', 'The database does not answer.')), readyDeadline)
      try {
        await Promise.race([answer(), promise])
      } catch (error) {
        throw transientOr(error)
      } finally {
        clearTimeout(timer)
      }
    },
    async close() {
      await Promise.all([sessions.close(), sql.end({ timeout: 5 })])
    },
  }
}

async function inTransaction<T>(sql: Sql, work: (tx: Tx) => Promise<T>): Promise<T> {
  await sql`begin`
  try {
    const result = await work(sql as unknown as Tx)
    const { command } = await sql`commit`
    if (command === 'ROLLBACK') throw new Error('A statement failed and nobody noticed: the transaction was rolled back.')
    return result
  } catch (error) {
    await sql`rollback`.catch(() => {})
    throw error
  }
}

/**
 * SQLSTATE classes after which the same transaction may succeed: connection, resources, operator, rollback, lock. And 28P01, a wrong
 * password: while it is changed, the database knows the new one some seconds before the mounted file does.
 */
const transientStates = /^(08|53|57|40|55P03|25P0[23]|28P01)/
const transientCodes = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_DESTROYED',
  'CONNECTION_ENDED',
  'CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
])

/** The same error, or Transient when trying again makes sense. */
export function transientOr(error: unknown): unknown {
  const code = (error as { code?: string } | undefined)?.code
  if (code !== undefined && (transientCodes.has(code) || transientStates.test(code))) {
    return new Transient('unavailable', 'The database did not take the work.', { cause: error })
  }
  return error
}

export const isUniqueViolation = (error: unknown): boolean => (error as { code?: string } | undefined)?.code === '23505'
