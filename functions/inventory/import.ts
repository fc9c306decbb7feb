import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import { Rejected } from '../../shared/errors.ts'
import { Id, page, pageQuery } from '../../shared/fields.ts'
import { service } from '../../shared/function/declare.ts'
import { operation, Reply, streamOperation } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import { importKinds } from './import-columns.ts'
import { claimImport, ImportBody, ImportError, importBody, readErrors, readImport } from './import-record.ts'
import { ImportStopped, runImport } from './import-run.ts'

const uses = ['db:inventory', 'call:inventory'] as const
type ImportFunction = Deps<typeof uses>

/** Errors in the answer of the import itself; the others are read page by page. */
const toldErrors = 20

const Imported = z.object({ ...ImportBody.shape, errors: z.array(ImportError) }).meta({ id: 'StockImported' })

const gzipTypes = ['application/gzip', 'application/x-gzip']

export const importStock = streamOperation<ImportFunction>()({
  id: 'stock-import',
  route: 'POST /v1/stock/imports',
  summary: 'Import stock from CSV',
  description:
    'UTF-8, the first row names the columns: those of a bulk row, with `version` for what was read when `kind` is `set`. Rows are done while the file is read, each for itself. The same file with the same Idempotency-Key or `id` goes on where it stopped and does nothing twice.',
  allow: ['stock:write'],
  idempotent: true,
  bodyLimit: 1024 * 1024 * 1024,
  deadline: 570_000,
  problems: ['import_running', 'not_found', 'idempotency_key_reused'],
  example: 'sku,location,onHand,version\n85123A,main,118,17\n71053,main,0,4\n',
  streams: { takes: ['text/csv', ...gzipTypes] },
  input: z.strictObject({
    kind: z.enum(importKinds),
    id: Id.optional().meta({ description: 'Of an import that stopped, or a new one.' }),
  }),
  output: Imported,
  async handle({ db, call, now, newId }, { kind, id }, request) {
    const gzip = gzipTypes.includes(request.headers['content-type'] ?? '') || request.headers['content-encoding'] === 'gzip'
    const run = newId()
    const record = await claimImport(db.inventory, {
      ...{ id: id ?? newId(), key: request.idempotencyKey, byId: id !== undefined, kind, run, now: now() },
      ...{ client: request.client, actor: request.subject },
    })
    request.tell('location', `/v1/stock/imports/${record.id}`)
    // Not for who only reads about imports: it costs a cold start more than they do.
    const { csvChunks } = await import('./import-csv.ts')
    const chunks = csvChunks(request.body, { kind, gzip, splitAt: record.rowsDone + record.rowsFailed })
    try {
      const finished = await runImport(
        { database: db.inventory, inventory: call.inventory, now },
        record,
        run,
        chunks,
        request.signal,
      )
      const errors = await readErrors(db.inventory.sql, record.id, 0, toldErrors)
      return Reply.of(
        200,
        { ...importBody(finished), errors: [...errors] },
        record.state === 'done' ? { 'idempotency-replayed': 'true' } : {},
      )
    } catch (error) {
      throw error instanceof ImportStopped ? toldStop(error) : error
    }
  },
})

/** The refusal with how far the import came; what is transient says it by its Location. */
function toldStop({ cause, record }: ImportStopped): unknown {
  if (!(cause instanceof Rejected)) return cause
  return new Rejected(cause.code, cause.message, { ...cause.details, import: importBody(record) })
}

const importOperation = operation<ImportFunction>()
const allow = ['stock:read', 'stock:write'] as const

const one = importOperation({
  id: 'stock-import-read',
  route: 'GET /v1/stock/imports/{id}',
  summary: 'Read how far an import is',
  allow,
  problems: ['not_found'],
  input: z.strictObject({ id: Id }),
  output: ImportBody,
  handle: async ({ db }, { id }) => importBody(await readImport(db.inventory.sql, id)),
})

const errors = importOperation({
  id: 'stock-import-errors',
  route: 'GET /v1/stock/imports/{id}/errors',
  summary: 'List the rows that an import refused',
  description: 'In the order of the file, a page at a time: the first 10,000.',
  allow,
  problems: ['not_found'],
  input: z.strictObject({ id: Id, ...pageQuery }),
  output: page(ImportError).meta({ id: 'StockImportErrorPage' }),
  async handle({ db }, { id, limit, cursor }) {
    const { sql } = db.inventory
    await readImport(sql, id)
    const [after] = decodeCursor(cursor, z.tuple([z.coerce.number().int().min(0)])) ?? [0]
    return pageOf(await readErrors(sql, id, after, limit + 1), limit, ({ row }) => [String(row)])
  },
})

export const inventoryImport = service({
  name: 'inventory-import',
  summary: 'Import stock from files',
  uses,
  scale: { max: 3, concurrency: 8, timeout: 600, memory: 384 },
  operations: [importStock, one, errors],
})
