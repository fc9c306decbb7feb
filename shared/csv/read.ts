import { createHash } from 'node:crypto'
import { pipeline, type Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { CsvError, parse } from 'csv-parse'
import { Rejected } from '../errors.ts'
import type { RowOf } from './columns.ts'

/** Rows that are done together. */
export const chunkRows = 500

/** Rows that follow each other in the file. */
export interface Chunk {
  /** The number of its first row; the row after the header is 1. */
  readonly first: number
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  /** Of the file from its header to the last row of this chunk. */
  readonly digest: string
}

/** Bytes of one row: far above any real one, so that a quote which is never closed does not fill the memory. */
const rowLimit = 64 * 1024

/** Bytes of the file when it is unzipped. */
const textLimit = 2 * 1024 * 1024 * 1024

/**
 * Reads a file as it comes, no faster than its chunks are taken. Throws Rejected with the row's number where the file cannot be read
 * on; the rows before it have been given out by then.
 *
 * @param kind what the file is for: the same rows for something else have another digest
 * @param columns reads the header; throws Rejected that names the columns which are wrong
 * @param splitAt a row after which a chunk has to end: up to there an earlier run has come
 */
export async function* csvChunks(
  body: Readable,
  options: { kind: string; columns: (header: readonly string[]) => RowOf; gzip: boolean; splitAt: number },
): AsyncGenerator<Chunk> {
  const { kind, columns, gzip, splitAt } = options
  // A parser that fails drops the rows that it still holds, so it is told to skip instead, and the reading ends at the first skip.
  let failure: CsvError | undefined
  const on_skip = (error: CsvError | undefined) => {
    failure ??= error
    return undefined
  }
  const parser = parse({ skip_empty_lines: true, max_record_size: rowLimit, skip_records_with_error: true, on_skip })
  const decodeUtf8 = (source: AsyncIterable<Buffer>) => decoded(source, () => failure !== undefined)
  const done = (error: unknown) => void (error && parser.destroy(error as Error))
  if (gzip) pipeline(body, createGunzip(), decodeUtf8, parser, done)
  else pipeline(body, decodeUtf8, parser, done)
  const hash = createHash('sha256').update(kind)
  let rowOf: RowOf | undefined
  let rows: Record<string, unknown>[] = []
  let read = 0
  const taken = (): Chunk => {
    const chunk = { first: read - rows.length + 1, rows, digest: hash.copy().digest('base64url') }
    rows = []
    return chunk
  }
  try {
    for await (const cells of parser as AsyncIterable<string[]>) {
      const seen = rowOf ? read + 1 : 0
      if (failure?.records === seen) break
      hash.update(JSON.stringify(cells))
      if (!rowOf) {
        rowOf = columns(cells)
        continue
      }
      rows.push(rowOf(cells))
      read++
      if (rows.length === chunkRows || read === splitAt) yield taken()
    }
    if (failure) throw failure
  } catch (error) {
    if (rows.length > 0) yield taken()
    throw unreadable(error, rowOf === undefined ? 0 : read + 1)
  }
  if (!rowOf) throw new Rejected('invalid_input', 'The file is empty: its first row names the columns.', { row: 0 })
  if (rows.length > 0) yield taken()
}

async function* decoded(source: AsyncIterable<Buffer>, isOver: () => boolean): AsyncGenerator<string> {
  // Takes a byte order mark away, and refuses what is not UTF-8 instead of replacing it.
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let size = 0
  for await (const bytes of source) {
    if (isOver()) return
    size += bytes.length
    if (size > textLimit) throw new Rejected('body_too_large', `The file may have ${textLimit} bytes.`, { limit: textLimit })
    yield decoder.decode(bytes, { stream: true })
  }
  yield decoder.decode()
}

function unreadable(error: unknown, row: number): unknown {
  if (error instanceof Rejected) return new Rejected(error.code, error.message, { ...error.details, row })
  const code = (error as { code?: string }).code ?? ''
  if (error instanceof CsvError) return new Rejected('malformed_request', `row ${row}: ${error.message}`, { row })
  if (code.startsWith('Z_'))
    return new Rejected('malformed_request', `row ${row} or soon after it: The file is not whole gzip.`, { row })
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') {
    return new Rejected('malformed_request', `row ${row} or soon after it: The text is not UTF-8.`, { row })
  }
  return error
}
