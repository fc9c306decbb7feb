import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, symlink } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** What `main.mjs` is: the cache must be there before anything is compiled. Portable: an image has it at another path. */
export const cachedEntry = `import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

enableCompileCache({ directory: fileURLToPath(new URL('compile-cache', import.meta.url)), portable: true })
await import('./function.mjs')
`

/** The user of the image. Node keeps a cache for each user, in a folder whose name ends in the user's id. */
export const imageUser = 1000

/**
 * Keeps what V8 compiles of the bundle beside it, so that a start reads it instead of compiling: every function is started once,
 * against services that are not there, and asked whether it is ready. A container with a read-only file system has it from its image.
 * V8 takes it in the same version of Node, with the same V8 options and on a CPU with the same features; elsewhere a start compiles.
 */
export async function fillCompileCache(outdir: URL): Promise<void> {
  const filling = spawn(process.execPath, [fileURLToPath(new URL('compile-cache-run.ts', import.meta.url)), outdir.href], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {},
  })
  const [status] = await once(filling, 'exit')
  if (status !== 0) throw new Error('The compile cache could not be filled.')
  const cache = new URL('compile-cache/', outdir)
  const user = process.getuid?.()
  for (const folder of await readdir(cache)) {
    if (user === undefined || user === imageUser || !folder.endsWith(`-${user}`)) continue
    await symlink(folder, new URL(folder.replace(/\d+$/, String(imageUser)), cache))
  }
}
