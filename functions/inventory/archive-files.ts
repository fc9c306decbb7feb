import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Readable, Transform, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { parse } from 'csv-parse'
import { z } from 'zod'

/** What a file's movements add up to. */
export interface Sums {
  readonly rows: number
  readonly onHand: number
  readonly reserved: number
}

/** Stands beside the file it describes, and is written only when that file has been read back and is whole. */
export const ArchiveManifest = z.object({
  format: z.literal(1),
  partition: z.string().regex(/^movement_[a-z0-9_]+$/),
  begins: z.string().nullable(),
  ends: z.string(),
  file: z.string(),
  bytes: z.int(),
  sha256: z.string(),
  rows: z.int(),
  onHand: z.int(),
  reserved: z.int(),
  exportedAt: z.string(),
})
export type ArchiveManifest = z.output<typeof ArchiveManifest>

/** The columns of the file, in their order. */
export const columns = [
  ...['sku', 'location', 'version', 'kind', 'on_hand_delta', 'reserved_delta', 'reason', 'reference', 'actor', 'at'],
] as const

export const sameSums = (a: Sums, b: Sums): boolean => a.rows === b.rows && a.onHand === b.onHand && a.reserved === b.reserved

/** CSV into a compressed file that is on disk when this is done; it has its name only then. */
export async function writeCompressed(csv: Readable, path: string): Promise<{ bytes: number; sha256: string }> {
  const making = `${path}.making`
  const digest = createHash('sha256')
  let bytes = 0
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      digest.update(chunk)
      bytes += chunk.length
      done(null, chunk)
    },
  })
  try {
    await pipeline(csv, createGzip({ level: 6 }), meter, createWriteStream(making, { mode: 0o600, flush: true }))
    await place(making, path)
  } finally {
    await rm(making, { force: true })
  }
  return { bytes, sha256: digest.digest('hex') }
}

/** Reads a file as it lies on the disk: its checksum, and what its rows add up to. */
export async function readBack(path: string): Promise<Sums & { bytes: number; sha256: string }> {
  const digest = createHash('sha256')
  let bytes = 0
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      digest.update(chunk)
      bytes += chunk.length
      done(null, chunk)
    },
  })
  const sums = { rows: 0, onHand: 0, reserved: 0 }
  const count = new Writable({
    objectMode: true,
    write(row: Record<(typeof columns)[number], string>, _encoding, done) {
      sums.rows++
      sums.onHand += Number(row.on_hand_delta)
      sums.reserved += Number(row.reserved_delta)
      done()
    },
  })
  await pipeline(createReadStream(path), meter, createGunzip(), parse({ columns: true }), count)
  return { ...sums, bytes, sha256: digest.digest('hex') }
}

/** Throws when the file is not what its manifest says. */
export async function assertWhole(folder: string, manifest: ArchiveManifest): Promise<void> {
  const path = join(folder, manifest.file)
  const found = await readBack(path)
  if (found.sha256 !== manifest.sha256 || found.bytes !== manifest.bytes || !sameSums(found, manifest)) {
    throw new Error(`${path} is not what was archived: its checksum or its rows are others`)
  }
}

export const manifestPath = (folder: string, partition: string): string => join(folder, `${partition}.json`)

export async function writeManifest(folder: string, manifest: ArchiveManifest): Promise<void> {
  const path = manifestPath(folder, manifest.partition)
  await writeFile(`${path}.making`, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600, flush: true })
  await place(`${path}.making`, path)
}

/** Undefined when there is none. */
export async function readManifest(path: string): Promise<ArchiveManifest | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return undefined
  try {
    return ArchiveManifest.parse(JSON.parse(text))
  } catch (error) {
    throw new Error(`${path} is no manifest of an archive`, { cause: error })
  }
}

/** The rename itself is on disk when this is done. */
async function place(from: string, to: string): Promise<void> {
  await rename(from, to)
  const folder = await open(dirname(to))
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
