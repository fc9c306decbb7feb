import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { extract, type Header } from 'tar-stream'
import { packImage } from './image-tar.ts'
import { parseLibraries, rootLayers } from './root.ts'
import { type Layer, layerOf, textFile, writeLayer } from './root-layer.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-image-'))
})
after(() => rm(folder, { recursive: true }))

const base = layerOf('base', [textFile('etc/passwd', 'root'), { kind: 'folder', path: 'tmp', mode: 0o1777 }])
const app = (text: string) => layerOf('app', [textFile('app/main.mjs', text), textFile('app/chunks/a.mjs', '1')])

let packed = 0
async function pack(layers: Layer[]) {
  const out = join(folder, `image-${packed++}.tar`)
  const image = await packImage({
    name: 'dev.local/tidemark',
    layers,
    entrypoint: ['/usr/local/bin/node', 'main.mjs'],
    workdir: '/app',
    user: '1000:1000',
    env: { ZONE: 'utc' },
    out,
  })
  return { ...image, out }
}

async function entriesOf(source: NodeJS.ReadableStream): Promise<Map<string, { header: Header; content: Buffer }>> {
  const found = new Map<string, { header: Header; content: Buffer }>()
  for await (const entry of source.pipe(extract())) {
    found.set(entry.header.name, { header: entry.header, content: await buffer(entry) })
  }
  return found
}

test('the same content has the same name and the same bytes, in whatever order and whenever it is packed', async () => {
  const one = await pack([base, app('x')])
  await new Promise(resolve => setTimeout(resolve, 1_100))
  const other = await pack([base, layerOf('app', [...app('x').entries].reverse())])
  assert.equal(one.name, other.name)
  assert.match(one.name, /^dev\.local\/tidemark:[0-9a-f]{12}$/)
  const [first, second] = await Promise.all([one, other].map(({ out }) => buffer(createReadStream(out))))
  assert.ok(first?.equals(second as Buffer))
})

test('a changed function changes the name and its own layer alone', async () => {
  const [before, after] = [await pack([base, app('x')]), await pack([base, app('y')])]
  assert.notEqual(before.name, after.name)
  assert.equal(before.layers[0]?.digest, after.layers[0]?.digest)
  assert.notEqual(before.layers[1]?.digest, after.layers[1]?.digest)
})

test('a container engine and a cluster find the same image in the tar, and every blob is what its digest says', async () => {
  const image = await pack([base, app('x')])
  const files = await entriesOf(createReadStream(image.out))
  const read = (path: string) => JSON.parse(files.get(path)?.content.toString() ?? '')
  const blob = ({ digest, size }: { digest: string; size: number }) => {
    const { content } = files.get(`blobs/${digest.replace(':', '/')}`) ?? assert.fail(digest)
    assert.equal(content.length, size)
    assert.equal(`sha256:${createHash('sha256').update(content).digest('hex')}`, digest)
    return content
  }
  assert.equal(read('oci-layout').imageLayoutVersion, '1.0.0')
  const [found] = read('index.json').manifests
  assert.equal(found.annotations['io.containerd.image.name'], image.name)
  const manifest = JSON.parse(blob(found).toString())
  const config = JSON.parse(blob(manifest.config).toString())
  assert.equal(image.name.split(':')[1], manifest.config.digest.slice(7, 19))
  assert.deepEqual(config.config, {
    User: '1000:1000',
    Entrypoint: ['/usr/local/bin/node', 'main.mjs'],
    WorkingDir: '/app',
    Env: ['PATH=/usr/local/bin:/usr/bin:/bin', 'ZONE=utc'],
  })
  manifest.layers.map(blob)
  assert.deepEqual(
    config.rootfs.diff_ids,
    manifest.layers.map(({ digest }: { digest: string }) => digest),
  )
  const [forDocker] = read('manifest.json')
  assert.deepEqual(forDocker.RepoTags, [image.name])
  for (const path of [forDocker.Config, ...forDocker.Layers]) assert.ok(files.has(path), path)
})

const linux = { skip: process.platform !== 'linux' && 'an image is made on Linux' }

test("the image's user may write nothing but /tmp, and finds the compile cache under its own id", linux, async () => {
  const dist = join(folder, 'dist')
  const cache = join(dist, 'compile-cache', `v24-x64-abc-${process.getuid?.()}`)
  await mkdir(cache, { recursive: true })
  for (const file of ['main.mjs', 'main.mjs.map', `${cache.slice(dist.length)}/entry`]) await writeFile(join(dist, file), 'x')
  // A small program stands in for Node: what it is linked with is found the same way.
  const layers = await rootLayers({ dist, node: '/bin/true' })
  assert.deepEqual(
    layers.map(({ name }) => name),
    ['base', 'node', 'app'],
  )
  const writable = layers.flatMap(({ entries }) => entries).filter(entry => entry.kind !== 'link' && entry.mode & 0o022)
  assert.deepEqual(
    writable.map(({ path }) => path),
    ['tmp'],
  )
  const paths = (layers[2] as Layer).entries.filter(({ kind }) => kind === 'file').map(({ path }) => path)
  assert.deepEqual(paths, ['app/compile-cache/v24-x64-abc-1000/entry', 'app/main.mjs'])
  const files = (layers[0] as Layer).entries.map(({ path }) => path)
  assert.ok(
    files.some(path => /libc\.so|ld-/.test(path)),
    files.join(),
  )
  const image = await pack(layers)
  const layout = await entriesOf(createReadStream(image.out))
  const base = layout.get(`blobs/${image.layers[0]?.digest.replace(':', '/')}`)?.content ?? assert.fail()
  const headers = [...(await entriesOf(Readable.from([base]))).values()].map(({ header }) => header)
  assert.ok(headers.every(({ uid, gid, mtime }) => uid === 0 && gid === 0 && mtime?.getTime() === 0))
})

test('a root written to a folder has the same files with the same modes, whatever the umask', async () => {
  const old = process.umask(0o077)
  await writeLayer(base, join(folder, 'root')).finally(() => process.umask(old))
  assert.equal((await stat(join(folder, 'root/tmp'))).mode & 0o7777, 0o1777)
  assert.equal((await stat(join(folder, 'root/etc/passwd'))).mode & 0o7777, 0o644)
})

test('the libraries are those with a file, and the loader itself', () => {
  const printed = `\tlinux-vdso.so.1 (0x00007ffd)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f01)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f02)
`
  assert.deepEqual(parseLibraries(printed), ['/lib/x86_64-linux-gnu/libc.so.6', '/lib64/ld-linux-x86-64.so.2'])
})
