import { createHash } from 'node:crypto'
import { chmod, mkdir, readdir, readFile, realpath, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** A file, a folder or a symbolic link of the image's root file system. All belong to root; paths have no leading slash. */
export type Entry =
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly content: Buffer }
  | { readonly kind: 'folder'; readonly path: string; readonly mode: number }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }

export interface Layer {
  readonly name: string
  readonly entries: readonly Entry[]
}

/** Entries with the folders that they lie in, in the order of their paths: the same content is always the same layer. */
export function layerOf(name: string, entries: readonly Entry[]): Layer {
  const all = new Map<string, Entry>()
  for (const entry of entries) {
    for (let folder = dirname(entry.path); folder !== '.'; folder = dirname(folder)) {
      if (!all.has(folder)) all.set(folder, { kind: 'folder', path: folder, mode: 0o755 })
    }
    all.set(entry.path, entry)
  }
  return { name, entries: [...all.values()].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)) }
}

export const textFile = (path: string, text: string): Entry => ({ kind: 'file', path, mode: 0o644, content: Buffer.from(text) })

/** What is at `source`, its links followed, as a file nobody but root may write. */
export async function fileAt(source: string, path: string): Promise<Entry> {
  const real = await realpath(source)
  const { mode } = await stat(real)
  return { kind: 'file', path, mode: mode & 0o111 ? 0o755 : 0o644, content: await readFile(real) }
}

export async function filesOf(folder: string, path: string, wanted: (name: string) => boolean): Promise<Entry[]> {
  const found = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(join(folder, '/').length))
    .filter(wanted)
  return Promise.all(found.map(name => fileAt(join(folder, name), `${path}/${name}`)))
}

/** Changes with any path, mode or byte. */
export function digestOf(layers: readonly Layer[]): string {
  const hash = createHash('sha256')
  for (const { name, entries } of layers) {
    hash.update(`${name}\n`)
    for (const entry of entries) {
      const { content, ...rest } = { content: undefined, ...entry }
      hash.update(JSON.stringify([rest, content?.length]))
      if (content) hash.update(content)
    }
  }
  return hash.digest('hex')
}

/** Writes a layer to a folder, for a build that copies it into an image. */
export async function writeLayer({ entries }: Layer, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const entry of entries) {
    const place = join(folder, entry.path)
    if (entry.kind === 'link') await symlink(entry.target, place)
    else {
      if (entry.kind === 'folder') await mkdir(place)
      else await writeFile(place, entry.content)
      // Whatever umask this runs with.
      await chmod(place, entry.mode)
    }
  }
}
