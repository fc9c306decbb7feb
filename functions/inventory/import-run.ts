import { z } from 'zod'
import type { Database } from '../../shared/data/postgres.ts'
import { Rejected, Transient } from '../../shared/errors.ts'
import type { FunctionClient } from '../../shared/function/call.ts'
import { refusedColumn } from './import-columns.ts'
import type { Chunk } from './import-csv.ts'
import { type ImportRecord, keptErrors, type RowError, saveImport } from './import-record.ts'

export interface ImportDeps {
  readonly database: Database
  readonly inventory: FunctionClient
  readonly now: () => Date
}

/** Bulk calls at once: while one is on its way back, the ledger has the next. */
const chunksAtOnce = 3

/** Milliseconds between two saves of the progress. */
const saveEvery = 1_000

/** Tries of what the ledger could not take, with up to five seconds between them: some 25 s in all. */
const tries = 9

/**
 * Does the rows of a file that no earlier run has settled. Whatever ends it, what was settled is saved; a row that was done and not
 * saved is known to the ledger by its key, and is not done again.
 */
export async function runImport(
  deps: ImportDeps,
  given: ImportRecord,
  run: string,
  chunks: AsyncIterable<Chunk>,
  signal: AbortSignal,
): Promise<ImportRecord> {
  const settledBefore = given.rowsDone + given.rowsFailed
  let record = given
  let unsaved: RowError[] = []
  let savedAt = Date.now()
  const flights: { chunk: Chunk; refused: Promise<RowError[]> }[] = []

  async function save(state: ImportRecord['state'], reason: string | null): Promise<void> {
    const now = deps.now()
    record = { ...record, state, reason, updatedAt: now, finishedAt: state === 'done' ? now : null }
    await saveImport(deps.database, record, run, unsaved)
    unsaved = []
    savedAt = Date.now()
  }

  /** In the file's order, so that all up to the count is settled. */
  async function land(): Promise<void> {
    const flight = flights[0]
    if (!flight) return
    const refused = await flight.refused
    flights.shift()
    const room = keptErrors - record.rowsFailed
    unsaved.push(...refused.slice(0, Math.max(room, 0)))
    const rowsFailed = record.rowsFailed + refused.length
    const rowsDone = record.rowsDone + flight.chunk.rows.length - refused.length
    record = { ...record, rowsDone, rowsFailed, digest: flight.chunk.digest }
    if (Date.now() - savedAt >= saveEvery) await save('running', null)
  }

  let settledSeen = settledBefore === 0
  try {
    for await (const chunk of chunks) {
      if (signal.aborted) throw new Rejected('malformed_request', 'Nobody waited for the answer any more.')
      const last = chunk.first + chunk.rows.length - 1
      if (last <= settledBefore) {
        settledSeen = last === settledBefore && chunk.digest === given.digest
        continue
      }
      if (!settledSeen || given.state === 'done') throw otherFile()
      record = { ...record, rowsRead: Math.max(record.rowsRead, last) }
      const refused = submit(deps, given.id, chunk, signal)
      // It is awaited later, after others may have failed.
      refused.catch(() => {})
      flights.push({ chunk, refused })
      if (flights.length >= chunksAtOnce) await land()
    }
    if (!settledSeen) throw otherFile()
    while (flights.length > 0) await land()
    if (given.state !== 'done') await save('done', null)
    return record
  } catch (error) {
    if (given.state === 'done') throw error
    while (flights.length > 0) {
      await land().catch(() => {
        flights.length = 0
      })
    }
    await save('stopped', error instanceof Error ? error.message : String(error)).catch(() => {})
    throw new ImportStopped(record, error)
  }
}

/** Why an import ended before its file did, and how far it came. */
export class ImportStopped extends Error {
  readonly record: ImportRecord

  constructor(record: ImportRecord, cause: unknown) {
    super('The import stopped.', { cause })
    this.record = record
  }
}

const otherFile = () => new Rejected('idempotency_key_reused', 'This import began with another file.')

const BulkAnswer = z.object({
  results: z.array(
    z.object({
      index: z.int(),
      status: z.int(),
      problem: z
        .object({
          code: z.string(),
          title: z.string(),
          detail: z.string().optional(),
          errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
        })
        .optional(),
    }),
  ),
})
type BulkResult = z.output<typeof BulkAnswer>['results'][number]

/** @returns the rows that were refused, once each row is done or refused */
async function submit(deps: ImportDeps, id: string, chunk: Chunk, signal: AbortSignal): Promise<RowError[]> {
  const refused: RowError[] = []
  let waiting = chunk.rows.map((row, index) => ({ number: chunk.first + index, row }))
  for (let attempt = 1; ; attempt++) {
    const sent = waiting
    let failure: unknown = new Transient('overloaded')
    try {
      const { results } = await deps.inventory.request({
        method: 'POST',
        path: '/v1/stock/bulk',
        // The ledger's actor is this function: the reference leads from a movement to the import, which says by whom it was sent.
        body: { rows: sent.map(({ number, row }) => ({ reference: `import:${id}`, ...row, key: String(number) })) },
        idempotencyKey: `import:${id}`,
        output: BulkAnswer,
      })
      for (const result of results) {
        const number = sent[result.index]?.number ?? 0
        if (result.status >= 400 && result.status < 500) refused.push(rowError(number, result))
      }
      waiting = results.filter(({ status }) => status >= 500).flatMap(({ index }) => sent[index] ?? [])
      if (waiting.length === 0) return refused.sort((a, b) => a.row - b.row)
    } catch (error) {
      if (!(error instanceof Transient)) throw error
      failure = error
    }
    if (attempt === tries || signal.aborted) throw failure
    await new Promise(resolve => setTimeout(resolve, Math.min(100 * 2 ** attempt, 5_000)))
  }
}

function rowError(row: number, { problem }: BulkResult): RowError {
  const [first] = problem?.errors ?? []
  return {
    row,
    code: problem?.code ?? 'invalid_input',
    field: first ? refusedColumn(first.field) : null,
    message: first?.message ?? problem?.detail ?? problem?.title ?? '',
  }
}
