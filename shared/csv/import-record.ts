import { z } from 'zod'
import type { Database, Queryable } from '../data/postgres.ts'
import { Rejected } from '../errors.ts'
import { Count, Id, Timestamp } from '../fields.ts'

/** A client's file, and how far it came. Each database that takes files has the tables `import` and `import_error`. */
export interface ImportRecord {
  readonly id: string
  readonly kind: string
  readonly state: 'running' | 'stopped' | 'done'
  readonly rowsRead: number
  readonly rowsDone: number
  readonly rowsFailed: number
  readonly digest: string
  readonly reason: string | null
  readonly client: string
  readonly actor: string
  readonly startedAt: Date
  readonly updatedAt: Date
  readonly finishedAt: Date | null
}

export interface RowError {
  readonly row: number
  readonly code: string
  readonly field: string | null
  readonly message: string
}

export const ImportError = z
  .object({
    row: Count.meta({ description: 'The row after the header is 1.' }),
    code: z.string(),
    field: z.string().nullable(),
    message: z.string(),
  })
  .meta({ id: 'ImportError' })

export const ImportBody = z.object({
  id: Id,
  kind: z.string(),
  state: z.enum(['running', 'stopped', 'done']).meta({ description: 'One that stopped goes on when the file is sent again.' }),
  read: Count,
  done: Count,
  failed: Count.meta({ description: 'Rows that were refused: see the errors.' }),
  reason: z.string().nullable().meta({ description: 'Why it stopped.' }),
  by: z.string(),
  startedAt: Timestamp,
  updatedAt: Timestamp,
  finishedAt: Timestamp.nullable(),
})

export const importBody = (record: ImportRecord): z.output<typeof ImportBody> => ({
  id: record.id,
  kind: record.kind,
  state: record.state,
  read: record.rowsRead,
  done: record.rowsDone,
  failed: record.rowsFailed,
  reason: record.reason,
  by: record.actor,
  startedAt: record.startedAt.toISOString(),
  updatedAt: record.updatedAt.toISOString(),
  finishedAt: record.finishedAt?.toISOString() ?? null,
})

const columns = (sql: Queryable) => sql`
  id, kind, state, rows_read as "rowsRead", rows_done as "rowsDone", rows_failed as "rowsFailed", digest, reason, client, actor,
  started_at as "startedAt", updated_at as "updatedAt", finished_at as "finishedAt"`

export async function readImport(sql: Queryable, id: string): Promise<ImportRecord> {
  const [record] = await sql<ImportRecord[]>`select ${columns(sql)} from import where id = ${id}`
  if (!record) throw new Rejected('not_found', `There is no import ${id}.`)
  return record
}

/** Milliseconds without news after which a run counts as dead: it tells of itself with every chunk it settles. */
const deadAfter = 90_000

/** Within these a repetition is safe: keys are forgotten after 72 hours. */
const resumableHours = 48

export interface Claim {
  readonly id: string
  /** The Idempotency-Key, which names the import as well as its id does. */
  readonly key: string | undefined
  readonly byId: boolean
  readonly kind: string
  readonly client: string
  readonly actor: string
  /** This run's own id. */
  readonly run: string
  readonly now: Date
}

/** Begins an import, or takes up one that stopped. */
export const claimImport = (database: Database, claim: Claim): Promise<ImportRecord> =>
  database.transaction(async tx => {
    const { id, key = null, kind, client, actor, run, now } = claim
    await tx`
      insert into import (id, key, kind, state, run, client, actor, started_at, updated_at)
      values (${id}, ${key}, ${kind}, 'running', ${run}, ${client}, ${actor}, ${now}, ${now}) on conflict do nothing`
    const [found] = await tx<(ImportRecord & { run: string })[]>`
      select ${columns(tx)}, run from import where ${claim.byId ? tx`id = ${id}` : tx`(id = ${id} or key = ${key})`} for update`
    if (!found || found.client !== client) throw new Rejected('not_found', `There is no import ${id}.`)
    if (found.run === run) return found
    if (found.kind !== kind) throw new Rejected('idempotency_key_reused', `This import is of kind ${found.kind}.`)
    const age = now.getTime() - found.updatedAt.getTime()
    if (found.state === 'running' && age < deadAfter)
      throw new Rejected('import_running', undefined, { import: importBody(found) })
    if (found.state !== 'done' && age > resumableHours * 3_600_000) {
      throw new Rejected('idempotency_key_reused', 'This import stopped too long ago to go on.', { import: importBody(found) })
    }
    const [taken] = await tx<ImportRecord[]>`
      update import set run = ${run}, state = case state when 'done' then state else 'running' end, reason = null,
        updated_at = case state when 'done' then updated_at else ${now}::timestamptz end
      where id = ${found.id} returning ${columns(tx)}`
    return taken as ImportRecord
  })

/** Errors kept of one import. */
export const keptErrors = 10_000

export const saveImport = (database: Database, record: ImportRecord, run: string, errors: readonly RowError[]): Promise<void> =>
  database.transaction(async tx => {
    const { id, state, rowsRead, rowsDone, rowsFailed, digest, reason, updatedAt, finishedAt } = record
    const rows = await tx`
      update import set state = ${state}, rows_read = ${rowsRead}, rows_done = ${rowsDone}, rows_failed = ${rowsFailed},
        digest = ${digest}, reason = ${reason}, updated_at = ${updatedAt}, finished_at = ${finishedAt}
      where id = ${id} and run = ${run} returning 1`
    if (rows.length === 0) throw new Rejected('import_running')
    if (errors.length === 0) return
    await tx`
      insert into import_error (import_id, row, code, field, message)
      select ${id}::uuid, * from unnest(
        ${errors.map(error => error.row)}::bigint[], ${errors.map(error => error.code)}::text[],
        ${errors.map(error => error.field)}::text[], ${errors.map(error => error.message)}::text[])
      on conflict do nothing`
  })

export const readErrors = (sql: Queryable, id: string, after: number, limit: number): PromiseLike<RowError[]> => sql<RowError[]>`
  select row, code, field, message from import_error where import_id = ${id} and row > ${after} order by row limit ${limit}`
