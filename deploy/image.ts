import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { bundleFunctions } from '../local/build.ts'
import { bundleCluster } from '../local/build-cluster.ts'
import { folderDigest } from '../local/bundle.ts'
import { fillCompileCache, imageUser } from '../local/compile-cache.ts'
import { removeAbandoned } from '../local/services/cache.ts'
import { gzippedBytes, type ImageOptions, type PackedImage, packImage } from './image-tar.ts'
import { rootLayers } from './root.ts'
import { digestOf, filesOf, type Layer, layerOf } from './root-layer.ts'

export { loadImage } from './image-load.ts'
export { packImage } from './image-tar.ts'

export interface Image extends PackedImage {
  /** A file that `docker load`, `ctr images import` and the like take. */
  readonly tar: string
  readonly bytes: number
}

const folder = fileURLToPath(new URL('../.tidemark/image', import.meta.url))

/** The image of every function: the argument, or K_SERVICE, chooses. */
export async function functionsImage(): Promise<Image> {
  return packOnce({
    name: 'dev.local/tidemark',
    layers: await functionsLayers(),
    entrypoint: ['/usr/local/bin/node', 'main.mjs'],
    ...common,
  })
}

/** The same, and the stand-ins that a test deploys into a cluster: the argument chooses the program. */
export async function localImage(): Promise<Image> {
  return packOnce({
    name: 'dev.local/tidemark-local',
    layers: [...(await functionsLayers()), await clusterLayer()],
    // kafkajs 2.2.4 sets timers in the past, which Node reports at every start.
    entrypoint: ['/usr/local/bin/node', '--disable-warning=TimeoutNegativeWarning', '/local/main.mjs'],
    ...common,
  })
}

const common = { workdir: '/app', user: `${imageUser}:${imageUser}` }

async function functionsLayers(): Promise<Layer[]> {
  return rootLayers({ dist: await freshBundle() })
}

async function clusterLayer(): Promise<Layer> {
  const outdir = await scratchFolder()
  await bundleCluster(pathToFileURL(`${outdir}/`))
  const layer = layerOf('local', await filesOf(outdir, 'local', () => true))
  await rm(outdir, { recursive: true })
  return layer
}

/** The bundle with its compile cache, which is made again only when the bundle or Node is another: so the image stays the same too. */
async function freshBundle(): Promise<string> {
  const [dist, next] = [join(folder, 'dist'), await scratchFolder()]
  await bundleFunctions(pathToFileURL(`${next}/`))
  const digest = `${process.version} ${process.arch} ${await folderDigest(next)}`
  const stamp = join(folder, 'dist.digest')
  if (existsSync(dist) && (await readFile(stamp, 'utf8').catch(() => '')) === digest) {
    await rm(next, { recursive: true })
    return dist
  }
  await fillCompileCache(pathToFileURL(`${next}/`))
  await rm(dist, { recursive: true, force: true })
  await rename(next, dist)
  await writeFile(stamp, digest)
  return dist
}

/** Of its own for each run: two that build at once must not clear each other's. */
async function scratchFolder(): Promise<string> {
  await mkdir(folder, { recursive: true })
  await removeAbandoned(folder)
  return mkdtemp(join(folder, '.making-bundle-'))
}

/** Packs an image unless the same content is packed already. Only the newest tar of a name is kept: each is above 100 MB. */
async function packOnce(options: Omit<ImageOptions, 'out'>): Promise<Image> {
  const { layers, ...rest } = options
  const about = `${options.name.replace(/.*\//, '')}-`
  const file = `${about}${digestOf([...layers, layerOf(JSON.stringify(rest), [])]).slice(0, 12)}`
  const [tar, description] = [join(folder, `${file}.tar`), join(folder, `${file}.json`)]
  const known = existsSync(tar) && (await readFile(description, 'utf8').catch(() => undefined))
  if (known) return { ...(JSON.parse(known) as Omit<Image, 'tar'>), tar }
  for (const name of await readdir(folder)) {
    if (name.startsWith(about) && /^[0-9a-f]{12}\.(tar|json)$/.test(name.slice(about.length))) await rm(join(folder, name))
  }
  const packed = await packImage({ ...options, out: tar })
  const image = { ...packed, bytes: packed.layers.reduce((sum, layer) => sum + layer.bytes, 0) }
  await writeFile(description, JSON.stringify(image))
  return { ...image, tar }
}

async function report(image: Image): Promise<void> {
  const line = (name: string, bytes: number, gzipped: number) =>
    console.log(`  ${name.padEnd(8)} ${megabytes(bytes)}   gzip ${megabytes(gzipped)}`)
  const sizes = await gzippedBytes(image.tar)
  let all = 0
  for (const { name, bytes, digest } of image.layers) {
    const gzipped = sizes.get(digest) ?? 0
    all += gzipped
    line(name, bytes, gzipped)
  }
  line('all', image.bytes, all)
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`.padStart(9)

const help = `node deploy/image.ts [--local] [--out FILE]
Builds the image without a container engine and prints its name and what its layers weigh.
  --local      the image of the stand-ins that tests deploy into a cluster
  --out FILE   writes the tar there too (docker load --input FILE, ctr images import FILE)`

if (import.meta.main) {
  const { values } = parseArgs({
    options: { out: { type: 'string' }, local: { type: 'boolean' }, help: { type: 'boolean' } },
  })
  if (values.help) {
    console.log(help)
    process.exit(0)
  }
  const began = performance.now()
  const image = values.local ? await localImage() : await functionsImage()
  console.log(`${image.name} built in ${((performance.now() - began) / 1000).toFixed(1)} s: ${image.tar}`)
  await report(image)
  if (values.out) {
    await mkdir(dirname(values.out), { recursive: true })
    await copyFile(image.tar, values.out)
  }
}
