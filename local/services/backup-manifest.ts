import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'

/**
 * A backup is a folder: `data/`, as Postgres will read it, with `backup_label` and the WAL that makes it whole; `password`, of the superuser;
 * and `manifest.json`. It has its final name only when all of it is on disk.
 */
export const Manifest = z.object({
  format: z.literal(1),
  postgres: z.string(),
  systemIdentifier: z.string(),
  begunAt: z.string(),
  endedAt: z.string(),
  /** The segments with which it begins and ends, `000000010000000000000004`. */
  firstSegment: z.string(),
  lastSegment: z.string(),
  /** Where WAL written after it is found. */
  archive: z.string(),
  folders: z.array(z.string()),
  files: z.array(z.object({ path: z.string(), size: z.int(), sha256: z.string() })),
})
export type Manifest = z.output<typeof Manifest>

export const manifestFile = 'manifest.json'

export async function readManifest(backup: string): Promise<Manifest> {
  const file = join(backup, manifestFile)
  const text = await readFile(file, 'utf8').catch(() => {
    throw new Error(`${backup} is not a backup: it has no ${manifestFile}`)
  })
  try {
    return Manifest.parse(JSON.parse(text))
  } catch (error) {
    throw new Error(`${file} cannot be read`, { cause: error })
  }
}

/** The finished backups in a folder, the oldest first. */
export async function backupsIn(out: string): Promise<{ folder: string; manifest: Manifest }[]> {
  const names = (await readdir(out).catch(() => [])).filter(name => /^\d{8}T\d{6}Z$/.test(name)).sort()
  return Promise.all(names.map(async name => ({ folder: join(out, name), manifest: await readManifest(join(out, name)) })))
}
