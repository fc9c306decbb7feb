import type { Database } from '../data/postgres.ts'
import { Rejected } from '../errors.ts'
import { type ImportRecord, keptErrors, type RowError, saveImport } from './import-record.ts'
import type { Chunk } from './read.ts'

/**
 * Does the rows of a chunk, each once whatever happens: the import's id and the rows' numbers make a key.
 * @returns the rows that were refused, once each row is done or refused
 */
export type Submit = (id: string, chunk: Chunk, signal: AbortSignal) => Promise<RowError[]>

interface ImportDeps {
  readonly database: Database
  readonly now: () => Date
  readonly submit: Submit
}

/** Chunks at once: while one is on its way back, the next is being done. */
const chunksAtOnce = 3

/** Milliseconds between two saves of the progress. */
const saveEvery = 1_000

/**
 * Does the rows of a file that no earlier run has settled. Whatever ends it, what was settled is saved; a row that was done and not
 * saved is known by its key, and is not done again.
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
      const refused = deps.submit(given.id, chunk, signal)
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
