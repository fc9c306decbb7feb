import { createHash } from 'node:crypto'
import { chown, type FileHandle, lstat, mkdir, open, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PostgresUser } from './postgres-files.ts'

export interface BackupFile {
  readonly path: string
  readonly size: number
  readonly sha256: string
}

/** Files in flight at once: each waits for the disk. */
const atOnce = 8
const chunk = 1024 * 1024

export interface Written {
  readonly size: number
  readonly sha256: string
}

/** Copies a file and waits until it is on disk. The sum is that of the bytes that were written. */
export async function copyToDisk(from: string, to: string, user: PostgresUser = {}): Promise<Written> {
  const source = await open(from)
  try {
    const target = await open(to, 'wx', 0o600)
    try {
      const written = await eachChunk(source, piece => writeAll(target, piece))
      if (user.uid !== undefined && user.gid !== undefined) await target.chown(user.uid, user.gid)
      await target.sync()
      return written
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

export async function readSum(path: string): Promise<Written> {
  const file = await open(path)
  try {
    return await eachChunk(file, async () => {})
  } finally {
    await file.close()
  }
}

async function eachChunk(file: FileHandle, use: (piece: Buffer) => Promise<void>): Promise<Written> {
  const sum = createHash('sha256')
  const buffer = Buffer.allocUnsafe(chunk)
  let size = 0
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, chunk)
    if (bytesRead === 0) return { size, sha256: sum.digest('hex') }
    const piece = buffer.subarray(0, bytesRead)
    sum.update(piece)
    await use(piece)
    size += bytesRead
  }
}

async function writeAll(file: FileHandle, piece: Buffer): Promise<void> {
  for (let at = 0; at < piece.length; ) at += (await file.write(piece, at)).bytesWritten
}

/** Makes the names in a folder lasting, not only the contents of its files. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

export async function makeFolder(folder: string, user: PostgresUser): Promise<void> {
  await mkdir(folder, { mode: 0o700 })
  await giveTo(folder, user)
}

/** An empty one, whose being there says something. */
export async function makeFile(path: string, user: PostgresUser): Promise<void> {
  await writeFile(path, '', { mode: 0o600 })
  await giveTo(path, user)
}

async function giveTo(path: string, { uid, gid }: PostgresUser): Promise<void> {
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid)
}

/** What is in a folder that changes meanwhile, parents before children. A file that vanishes in between is not missed. */
export async function listTree(root: string, wanted: (path: string) => boolean): Promise<{ folders: string[]; files: string[] }> {
  const found = { folders: [] as string[], files: [] as string[] }
  const visit = async (folder: string): Promise<void> => {
    for (const entry of await readdir(join(root, folder), { withFileTypes: true }).catch(unlessGone)) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (!wanted(path)) continue
      if (entry.isDirectory()) {
        found.folders.push(path)
        await visit(path)
      } else if (entry.isFile()) {
        found.files.push(path)
      } else {
        throw new Error(`${join(root, path)} is neither a file nor a folder: tablespaces are not backed up`)
      }
    }
  }
  await visit('')
  return found
}

export function unlessGone(error: NodeJS.ErrnoException): never[] {
  if (error.code === 'ENOENT') return []
  throw error
}

/** Does the work for each, some at once; fails with the first error when none is at work any more. */
export async function forEach<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async () => {
    try {
      while (next < items.length) await work(items[next++] as T)
    } finally {
      next = items.length
    }
  }
  const failed = (await Promise.allSettled(Array.from({ length: atOnce }, worker))).find(({ status }) => status === 'rejected')
  if (failed) throw (failed as PromiseRejectedResult).reason
}

/** @throws when a file is not the one that was backed up */
export function assertSame(file: BackupFile, found: Written, place: string): void {
  if (found.size === file.size && found.sha256 === file.sha256) return
  throw new Error(
    `${join(place, file.path)} is not what was backed up: ${found.size} bytes with another sum instead of ${file.size}`,
  )
}

export const isThere = async (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  )
