import { z } from 'zod'
import { decodeCursor, pageOf } from '../cursor.ts'
import type { Database } from '../data/postgres.ts'
import { Rejected } from '../errors.ts'
import { Id, page, pageQuery } from '../fields.ts'
import { operation, Reply, type StreamCall } from '../function/operation.ts'
import type { Scope } from '../security/scopes.ts'
import type { RowOf } from './columns.ts'
import { claimImport, ImportBody, ImportError, importBody, readErrors, readImport } from './import-record.ts'
import { ImportStopped, runImport, type Submit } from './import-run.ts'

/** Errors in the answer of the import itself; the others are read page by page. */
const toldErrors = 20

const Import = ImportBody.meta({ id: 'Import' })
export const Imported = z.object({ ...ImportBody.shape, errors: z.array(ImportError) }).meta({ id: 'Imported' })

const ErrorPage = page(ImportError).meta({ id: 'ImportErrorPage' })

const gzipTypes = ['application/gzip', 'application/x-gzip']

/** What every operation that takes a file declares. */
export const importDefinition = {
  idempotent: true,
  bodyLimit: 1024 * 1024 * 1024,
  deadline: 570_000,
  problems: ['import_running', 'not_found', 'idempotency_key_reused'],
  streams: { takes: ['text/csv', ...gzipTypes] },
} as const

export const ImportId = Id.optional().meta({ description: 'Of an import that stopped, or a new one.' })

/**
 * Does a file's rows while it is read, each for itself. The same file with the same key or id goes on where it stopped and does nothing
 * twice.
 */
export async function importFile(
  terms: {
    readonly database: Database
    readonly now: () => Date
    readonly newId: () => string
    /** Where imports are read. */
    readonly path: string
    readonly kind: string
    readonly columns: (header: readonly string[]) => RowOf
    readonly submit: Submit
  },
  id: string | undefined,
  call: StreamCall,
): Promise<Reply<z.output<typeof Imported>>> {
  const { database, now, newId, path, kind, columns, submit } = terms
  const gzip = gzipTypes.includes(call.headers['content-type'] ?? '') || call.headers['content-encoding'] === 'gzip'
  const run = newId()
  const record = await claimImport(database, {
    ...{ id: id ?? newId(), key: call.idempotencyKey, byId: id !== undefined, kind, run, now: now() },
    ...{ client: call.client, actor: call.subject },
  })
  call.tell('location', `${path}/${record.id}`)
  // Not for who only reads about imports: it costs a cold start more than they do.
  const { csvChunks } = await import('./read.ts')
  const chunks = csvChunks(call.body, { kind, columns, gzip, splitAt: record.rowsDone + record.rowsFailed })
  try {
    const finished = await runImport({ database, now, submit }, record, run, chunks, call.signal)
    const errors = await readErrors(database.sql, record.id, 0, toldErrors)
    const isReplay = record.state === 'done'
    return Reply.of(200, { ...importBody(finished), errors: [...errors] }, isReplay ? { 'idempotency-replayed': 'true' } : {})
  } catch (error) {
    throw error instanceof ImportStopped ? toldStop(error) : error
  }
}

/** The refusal with how far the import came; what is transient says it by its Location. */
function toldStop({ cause, record }: ImportStopped): unknown {
  if (!(cause instanceof Rejected)) return cause
  return new Rejected(cause.code, cause.message, { ...cause.details, import: importBody(record) })
}

/** The operations that read how far an import came, and what it refused. */
export function importReads<D>(terms: {
  /** Begins the operations' ids. */
  readonly name: string
  readonly path: `/${string}`
  readonly allow: readonly Scope[]
  readonly database: (deps: D) => Database
}) {
  const { name, path, allow, database } = terms
  const one = operation<D>()({
    id: `${name}-read`,
    route: `GET ${path}/{id}`,
    summary: 'Read how far an import is',
    allow,
    problems: ['not_found'],
    input: z.strictObject({ id: Id }),
    output: Import,
    handle: async (deps, { id }) => importBody(await readImport(database(deps).sql, id)),
  })
  const errors = operation<D>()({
    id: `${name}-errors`,
    route: `GET ${path}/{id}/errors`,
    summary: 'List the rows that an import refused',
    description: 'In the order of the file, a page at a time: the first 10,000.',
    allow,
    problems: ['not_found'],
    input: z.strictObject({ id: Id, ...pageQuery }),
    output: ErrorPage,
    async handle(deps, { id, limit, cursor }) {
      const { sql } = database(deps)
      await readImport(sql, id)
      const [after] = decodeCursor(cursor, z.tuple([z.coerce.number().int().min(0)])) ?? [0]
      return pageOf(await readErrors(sql, id, after, limit + 1), limit, ({ row }) => [String(row)])
    },
  })
  return [one, errors]
}
