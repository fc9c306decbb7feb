import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { type LoadOptions, loadImage } from './image-load.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-load-'))
})
afterEach(() => rm(folder, { recursive: true }))

const image = { name: 'dev.local/tidemark:0123456789ab', tar: '/images/tidemark.tar' }

/** Commands that write down how they are called, and print what is given. */
async function pretend(commands: Record<string, string>): Promise<void> {
  for (const [name, script] of Object.entries(commands)) {
    await writeFile(join(folder, name), `#!/bin/sh\necho "${name} $*" >> ${join(folder, 'called')}\n${script}\n`, { mode: 0o755 })
  }
}

const load = (options: LoadOptions = {}, env: NodeJS.ProcessEnv = {}) =>
  loadImage(image, {
    sockets: [],
    ...options,
    env: { PATH: `${folder}${delimiter}${process.env.PATH}`, KUBECONFIG: join(folder, 'kubeconfig'), ...env },
  })

const called = async (): Promise<string[]> => (await readFile(join(folder, 'called'), 'utf8')).trim().split('\n')

test('whoever says how an image is loaded is asked first', async () => {
  await pretend({ 'my-load': '', kubectl: 'echo kind-shop' })
  assert.equal((await load({}, { TIDEMARK_LOAD_IMAGE: 'my-load --fast' })).loaded, true)
  assert.deepEqual(await called(), ['my-load --fast /images/tidemark.tar'])
})

test("kind and k3d are known by their contexts' names", async () => {
  await pretend({ kind: '', k3d: '' })
  await load({ context: 'kind-shop' })
  await load({ context: 'k3d-shop' })
  assert.deepEqual(await called(), [
    'kind load image-archive /images/tidemark.tar --name shop',
    'k3d image import /images/tidemark.tar --cluster shop',
  ])
})

test('a minikube is known by a profile that runs, whatever its name', async () => {
  await pretend({ minikube: 'echo Running', kubectl: 'echo shop' })
  await load()
  assert.equal((await called()).at(-1), 'minikube image load /images/tidemark.tar --profile shop')
})

test('else the image goes into the containerd of this machine, and only when it is not there yet', async () => {
  await pretend({ ctr: 'true', minikube: 'exit 1', kubectl: 'echo shop' })
  const socket = join(folder, 'containerd.sock')
  await writeFile(socket, '')
  assert.equal((await load({ sockets: ['/nowhere.sock', socket] })).loaded, true)
  assert.equal((await called()).at(-1), `ctr --address ${socket} --namespace k8s.io images import /images/tidemark.tar`)
  await pretend({ ctr: `echo dev.local/tidemark:other; echo ${image.name}` })
  assert.equal((await load({ sockets: [socket] })).loaded, false)
  assert.equal((await called()).at(-1), `ctr --address ${socket} --namespace k8s.io images list --quiet`)
})

test('a missing command is named with what it is for', async () => {
  await assert.rejects(load({ context: 'k3d-shop' }, { PATH: folder }), /loaded by k3d, and there is no k3d on the PATH/)
})

test('a load that fails says why', async () => {
  await pretend({ kind: 'echo "no nodes found for cluster shop" >&2; exit 1' })
  await assert.rejects(load({ context: 'kind-shop' }), /no nodes found/)
})

test('a cluster that cannot be reached this way needs a registry, and the error says so', async () => {
  await pretend({ minikube: 'exit 1', kubectl: 'echo arn:cloud:shop' })
  await assert.rejects(load(), /arn:cloud:shop[\s\S]*--image[\s\S]*TIDEMARK_LOAD_IMAGE/)
})
