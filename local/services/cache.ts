import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Say } from './service.ts'

/** Where downloads stay between runs, about 600 MB in all, a quarter of it the class archives. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.TIDEMARK_CACHE) return env.TIDEMARK_CACHE
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tidemark')
}

export function inCache(cache: string, name: string): boolean {
  return existsSync(join(cache, name))
}

/**
 * A file or folder of the cache, made when it is not there. It is made beside its place and renamed when it is whole, so a
 * killed run leaves nothing half done, and of two processes that make it at once the second finds the first's and drops its own.
 */
export async function cached(cache: string, name: string, say: Say, make: (target: string) => Promise<void>): Promise<string> {
  const place = join(cache, name)
  if (existsSync(place)) return place
  await mkdir(cache, { recursive: true })
  await removeAbandoned(cache)
  const temporary = await mkdtemp(join(cache, `.making-${name}-`))
  const began = performance.now()
  try {
    const target = join(temporary, name)
    await make(target)
    await rename(target, place).catch(error => {
      if (!existsSync(place)) throw error
    })
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
  say(`${name}: put into the cache in ${seconds(began)}`)
  return place
}

/** Removes the `.making-` folders of runs killed more than an hour ago; no download takes that long. */
export async function removeAbandoned(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (!name.startsWith('.making-')) continue
    const folder = join(cache, name)
    const made = await stat(folder).catch(() => undefined)
    if (made && Date.now() - made.mtimeMs > 3_600_000) await rm(folder, { recursive: true, force: true })
  }
}

export function seconds(began: number): string {
  return `${((performance.now() - began) / 1000).toFixed(1)} s`
}
