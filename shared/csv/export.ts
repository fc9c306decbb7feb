import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { StreamReply } from '../function/operation.ts'

/** What every operation that gives a file declares. */
export const exportDefinition = { deadline: 570_000, streams: { takes: [], gives: 'text/csv' } } as const

/** A file that is made as fast as the client takes it; gzipped when the client accepts that. */
export function csvReply(name: string, text: AsyncIterable<string>, acceptEncoding: unknown): StreamReply {
  const plain = Readable.from(text, { highWaterMark: 1 })
  const headers = {
    'content-type': 'text/csv; charset=utf-8; header=present',
    'content-disposition': `attachment; filename="${name}"`,
    vary: 'accept-encoding',
  }
  if (!/\bgzip\b(?!\s*;\s*q=0(?:\.0*)?(?:,|\s|$))/.test(String(acceptEncoding ?? ''))) {
    return new StreamReply(200, plain, headers)
  }
  const gzip = createGzip({ level: 3 })
  plain.on('error', error => gzip.destroy(error))
  gzip.on('close', () => plain.destroy())
  return new StreamReply(200, plain.pipe(gzip), { ...headers, 'content-encoding': 'gzip' })
}

/** Rows of one query: some 300 kB of text, and a short read for the database. */
const pageRows = 5_000

/** The next page is read when the client has taken the one before. Lines are given as they are: quoted, where they need it. */
export async function* csvPages<R extends { readonly line: string }>(
  header: string,
  read: (after: R | undefined, limit: number) => PromiseLike<readonly R[]>,
): AsyncGenerator<string> {
  yield `${header}\n`
  let after: R | undefined
  for (;;) {
    const rows = await read(after, pageRows)
    const last = rows.at(-1)
    if (!last) return
    yield rows.map(row => `${row.line}\n`).join('')
    if (rows.length < pageRows) return
    after = last
  }
}
