import postgres from 'postgres'
import { Transient } from '../errors.ts'

export type Sql = postgres.Sql<{ bigint: number }>
export type Tx = postgres.TransactionSql<{ bigint: number }>
/** A statement runs the same on a connection of its own or inside a transaction. */
export type Queryable = Sql | Tx

export interface Database {
  readonly sql: Sql
  /** One transaction, read committed. A lost connection, a deadlock or a lock that never came is Transient. */
  transaction<T>(work: (tx: Tx) => Promise<T>): Promise<T>
  ready(): Promise<void>
  close(): Promise<void>
}

/** Deadlines that the server keeps, in milliseconds: no statement, lock or idle transaction outlives a request. */
const serverDeadlines = { statement_timeout: 10_000, lock_timeout: 5_000, idle_in_transaction_session_timeout: 15_000 }

/** bigint columns are counts, versions and money in minor units: all far below 2⁵³. */
const bigintAsNumber = {
  to: 20,
  from: [20],
  serialize: (value: number) => String(value),
  parse: (text: string) => Number(text),
}

export function openDatabase(options: { url: string; pool: number; service: string }): Database {
  const sql = postgres(options.url, {
    max: options.pool,
    connect_timeout: 3,
    // A function that sleeps between requests gives its connection back: connections are a budget.
    idle_timeout: 30,
    connection: { application_name: options.service, ...serverDeadlines },
    types: { bigint: bigintAsNumber },
    onnotice: () => {},
  }) as unknown as Sql
  return {
    sql,
    transaction: work => (sql.begin(work) as Promise<never>).catch(error => Promise.reject(transientOr(error))),
    async ready() {
      await sql`select 1`
    },
    close: () => sql.end({ timeout: 5 }),
  }
}

/** SQLSTATE classes after which the same transaction may succeed: connection, resources, operator, rollback, lock. */
const transientStates = /^(08|53|57|40|55P03|25P0[23])/
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
