import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { extract, type Header, type Pack, pack } from 'tar-stream'
import type { Entry, Layer } from './root-layer.ts'

export interface ImageOptions {
  /** Without a tag: the tag is derived from the content. */
  readonly name: string
  readonly layers: readonly Layer[]
  readonly entrypoint: readonly string[]
  readonly workdir: string
  readonly user: string
  readonly env?: Readonly<Record<string, string>>
  readonly out: string
}

export interface PackedLayer {
  readonly name: string
  readonly digest: string
  readonly bytes: number
}

export interface PackedImage {
  /** With its tag, the first twelve digits of the configuration's digest. */
  readonly name: string
  readonly layers: readonly PackedLayer[]
}

interface Blob {
  readonly digest: string
  readonly size: number
}

/**
 * Packs an OCI image layout (https://github.com/opencontainers/image-spec/blob/main/image-layout.md) that `docker load` takes as
 * well. Times are zero and entries are sorted: the same content has the same digests wherever it is packed.
 */
export async function packImage(options: ImageOptions): Promise<PackedImage> {
  const scratch = await mkdtemp(join(dirname(options.out), '.making-image-'))
  try {
    const layers: (PackedLayer & { file: string })[] = []
    for (const layer of options.layers) {
      const file = join(scratch, `${layer.name}.tar`)
      layers.push({ name: layer.name, file, ...(await writeTar(file, tar => addEntries(tar, layer.entries))) })
    }
    const config = json({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      created: epoch,
      config: {
        User: options.user,
        Entrypoint: options.entrypoint,
        WorkingDir: options.workdir,
        Env: Object.entries({ PATH: '/usr/local/bin:/usr/bin:/bin', ...options.env }).map(([name, value]) => `${name}=${value}`),
      },
      rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
      history: layers.map(({ name }) => ({ created: epoch, comment: name })),
    })
    const tag = config.digest.slice('sha256:'.length, 'sha256:'.length + 12)
    const name = `${options.name}:${tag}`
    const whole = join(scratch, 'image.tar')
    await writeTar(whole, tar => addLayout(tar, { name, tag, config, layers }))
    await rename(whole, options.out)
    return { name, layers: layers.map(({ file: _, ...layer }) => layer) }
  } finally {
    await rm(scratch, { recursive: true })
  }
}

const epoch = '1970-01-01T00:00:00Z'

function json(value: unknown): Blob & { content: Buffer } {
  const content = Buffer.from(JSON.stringify(value))
  return { content, size: content.length, digest: `sha256:${createHash('sha256').update(content).digest('hex')}` }
}

const blobPath = ({ digest }: Blob): string => `blobs/${digest.replace(':', '/')}`

async function addLayout(
  tar: Pack,
  image: { name: string; tag: string; config: Blob & { content: Buffer }; layers: (PackedLayer & { file: string })[] },
): Promise<void> {
  const { name, tag, config } = image
  const layers = image.layers.map(({ digest, bytes, file }) => ({ digest, size: bytes, file }))
  const descriptor = (type: string, { digest, size }: Blob) => ({
    mediaType: `application/vnd.oci.image.${type}`,
    digest,
    size,
  })
  const manifest = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor('config.v1+json', config),
    layers: layers.map(layer => descriptor('layer.v1.tar', layer)),
  })
  const index = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      {
        ...descriptor('manifest.v1+json', manifest),
        // containerd's import takes the name from the first, other tools from the second.
        annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': tag },
      },
    ],
  })
  const forDocker = json([{ Config: blobPath(config), RepoTags: [name], Layers: layers.map(blobPath) }])
  await add(tar, { name: 'oci-layout' }, Buffer.from('{"imageLayoutVersion":"1.0.0"}'))
  await add(tar, { name: 'index.json' }, index.content)
  await add(tar, { name: 'manifest.json' }, forDocker.content)
  for (const blob of [manifest, config]) await add(tar, { name: blobPath(blob) }, blob.content)
  for (const layer of layers) {
    await pipeline(createReadStream(layer.file), tar.entry({ ...plain, name: blobPath(layer), size: layer.size }))
  }
}

const plain = { mode: 0o644, mtime: new Date(0), uid: 0, gid: 0 }

async function addEntries(tar: Pack, entries: readonly Entry[]): Promise<void> {
  for (const entry of entries) {
    const name = entry.path
    if (entry.kind === 'file') await add(tar, { name, mode: entry.mode }, entry.content)
    else if (entry.kind === 'folder') await add(tar, { name: `${name}/`, mode: entry.mode, type: 'directory' })
    else await add(tar, { name, mode: 0o777, type: 'symlink', linkname: entry.target })
  }
}

const add = (tar: Pack, headers: Partial<Header> & Pick<Header, 'name'>, content?: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    const done = (error?: Error | null) => (error ? reject(error) : resolve())
    if (content) tar.entry({ ...plain, ...headers }, content, done)
    else tar.entry({ ...plain, ...headers }, done)
  })

async function writeTar(file: string, fill: (tar: Pack) => Promise<void>): Promise<{ digest: string; bytes: number }> {
  const hash = createHash('sha256')
  let bytes = 0
  await pipeline(
    // Of another family of streams than Node's: what both are is an iterable.
    Readable.from(tarOf(fill)),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk)
        bytes += chunk.length
        yield chunk
      }
    },
    createWriteStream(file),
  )
  return { digest: `sha256:${hash.digest('hex')}`, bytes }
}

function tarOf(fill: (tar: Pack) => Promise<void>): Pack {
  const tar = pack()
  void fill(tar).then(
    () => tar.finalize(),
    error => tar.destroy(error as Error),
  )
  return tar
}

/** The bytes of a packed image's layers as registries keep them, by digest. */
export async function gzippedBytes(file: string): Promise<Map<string, number>> {
  const sizes = new Map<string, number>()
  const reading = createReadStream(file).pipe(extract())
  for await (const entry of reading) {
    let bytes = 0
    for await (const chunk of entry.pipe(createGzip())) bytes += (chunk as Buffer).length
    sizes.set(entry.header.name.replace(/^blobs.sha256./, 'sha256:'), bytes)
  }
  return sizes
}
