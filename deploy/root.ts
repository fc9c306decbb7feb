import { existsSync } from 'node:fs'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { imageUser } from '../local/compile-cache.ts'
import { run } from '../local/services/run-command.ts'
import { type Entry, fileAt, filesOf, type Layer, layerOf, textFile, writeLayer } from './root-layer.ts'

/**
 * The root file system of the image: Node, the shared libraries it needs, two users and the bundled functions; no shell, no
 * package manager. The layers are in the order of how seldom they change. Everything is root's, and only /tmp can be written.
 */
export async function rootLayers(options: { dist: string; node?: string }): Promise<Layer[]> {
  const { dist, node = process.execPath } = options
  if (process.platform !== 'linux') {
    throw new Error('An image holds the Node of a Linux: build it with `docker build --target production .` on this machine.')
  }
  return [
    layerOf('base', [...users, { kind: 'folder', path: 'tmp', mode: 0o1777 }, ...(await librariesOf(node))]),
    layerOf('node', [{ ...(await nodeBinary(node)), path: 'usr/local/bin/node' }]),
    await appLayer(dist),
  ]
}

/** Knative's and Kubernetes' checks want a number; programs that ask for a name and a home get one. */
const users: readonly Entry[] = [
  textFile(
    'etc/passwd',
    `root:x:0:0:root:/:/sbin/nologin\nnode:x:${imageUser}:${imageUser}:node:/tmp:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n`,
  ),
  textFile('etc/group', `root:x:0:\nnode:x:${imageUser}:\nnobody:x:65534:\n`),
  textFile('etc/nsswitch.conf', 'hosts: files dns\n'),
]

/**
 * The bundle without its source maps: nothing reads them in the image, and they are more than half of it (10 of 17 MB).
 * Node looks for its compile cache in a folder that is named after the user's id.
 */
async function appLayer(dist: string): Promise<Layer> {
  const entries = await filesOf(dist, 'app', name => !name.endsWith('.map'))
  const owned = new RegExp(`^(app/compile-cache/[^/]+)-${process.getuid?.()}/`)
  return layerOf(
    'app',
    entries.map(entry => ({ ...entry, path: entry.path.replace(owned, `$1-${imageUser}/`) })),
  )
}

/** Libraries at their paths, where the loader (which is one of them) looks without being told. */
async function librariesOf(node: string): Promise<Entry[]> {
  const wanted = parseLibraries(await run('ldd', [node]))
  const libc = wanted.find(path => path.includes('/libc.so'))
  // C libraries older than 2.34 load these when a name is looked up, so `ldd` does not list them.
  const lookups = libc ? ['libnss_files.so.2', 'libnss_dns.so.2', 'libresolv.so.2'].map(name => join(dirname(libc), name)) : []
  return Promise.all([...wanted, ...lookups.filter(existsSync)].map(path => fileAt(path, path.slice(1))))
}

/** `ldd` prints `name => /path (address)`, and the loader as `/path (address)`. */
export const parseLibraries = (printed: string): string[] =>
  printed.split('\n').flatMap(line => /(?:=> |^\s+)(\/\S+) \(0x/.exec(line)?.[1] ?? [])

/** Without its symbols Node is a seventh smaller. They serve native debuggers alone. */
async function nodeBinary(node: string): Promise<Entry> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-node-'))
  const stripped = join(folder, 'node')
  try {
    await copyFile(node, stripped)
    await run('strip', [stripped])
    await run(stripped, ['--eval', ''])
    return await fileAt(stripped, '')
  } catch {
    return await fileAt(node, '')
  } finally {
    await rm(folder, { recursive: true })
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { out: { type: 'string' }, help: { type: 'boolean' } } })
  if (values.help || !values.out) {
    console.log(
      'node deploy/root.ts --out FOLDER\nWrites the root file system of the image, a folder a layer, from dist/ (npm run build).',
    )
    process.exit(values.help ? 0 : 2)
  }
  for (const layer of await rootLayers({ dist: fileURLToPath(new URL('../dist', import.meta.url)) })) {
    await writeLayer(layer, join(values.out, layer.name))
  }
}
