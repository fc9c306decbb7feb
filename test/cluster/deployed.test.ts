import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { deployLocally } from '../../deploy/local.ts'
import { functionsOf, stateOf } from '../../deploy/readiness.ts'
import { declaredFunctions } from '../../manifests/declared.ts'
import { call, clusterUnderTest, fromOutside, isReady, kubectl, namespace, pods, until } from './cluster.ts'

const functions = await declaredFunctions()
const warm = functions.filter(({ scale }) => scale.min > 0).map(({ name }) => name)

test('every function was taken by the API server and Knative’s webhooks, and is ready at its newest revision', async () => {
  const services = await functionsOf(kubectl, namespace)
  assert.deepEqual(services.map(({ metadata }) => metadata.name).sort(), functions.map(({ name }) => name).sort())
  for (const service of services) assert.deepEqual(stateOf(service), { ready: true, failed: false, reason: '' })
})

test('every source was taken by KafkaSource’s webhook as it is written', async () => {
  const list = await kubectl.get<{
    items: { metadata: { name: string }; spec: { delivery: { retry: number }; initialOffset: string } }[]
  }>(['kafkasources.sources.knative.dev', '-n', namespace])
  const handling = functions.flatMap(({ name, trigger }) => (trigger ? [{ name, retry: trigger.delivery.retry }] : []))
  assert.deepEqual(
    list?.items.map(({ metadata, spec }) => ({ name: metadata.name, retry: spec.delivery.retry })).sort(byName),
    handling.sort(byName),
  )
  for (const { spec } of list?.items ?? []) assert.equal(spec.initialOffset, 'earliest')
})

const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1)

test('from outside only the gateway answers: every other function’s host is refused, whichever of its names is tried', async () => {
  assert.equal((await fromOutside('GET /openapi.json')).status, 200)
  assert.ok(
    (await fromOutside('GET /v1/orders')).headers['x-request-id'],
    'what a function answers can be told from what the ingress does',
  )
  const { host } = clusterUnderTest()
  const domain = host.slice(host.indexOf('.') + 1)
  for (const { name } of functions.filter(({ visibility }) => visibility === 'cluster-local')) {
    for (const tried of [`${name}.${domain}`, `${name}.${namespace}.svc.cluster.local`, `${name}.${namespace}`]) {
      const { status, headers } = await fromOutside('POST /', { host: tried, headers: ping })
      assert.equal(status, 404, tried)
      // Every answer of a function carries one, its 404 too.
      assert.equal(headers['x-request-id'], undefined, `${tried} was answered by the ingress and not by the function`)
    }
  }
})

const ping = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-type': 'dev.knative.sources.ping', 'ce-source': 'outside' }

test('a pod has no token of the API server, and none of the rights that a container can do without', async () => {
  const list = await kubectl.get<{ items: Awaited<ReturnType<typeof pods>> }>([
    'pods',
    ...['-n', namespace, '-l', 'serving.knative.dev/service'],
  ])
  assert.ok((list?.items.length ?? 0) >= warm.length)
  for (const { metadata, spec } of list?.items ?? []) {
    assert.equal(spec.automountServiceAccountToken, false, metadata.name)
    for (const { name, securityContext } of spec.containers) {
      assert.equal(securityContext?.allowPrivilegeEscalation, false, `${metadata.name} ${name}`)
      assert.equal(securityContext?.readOnlyRootFilesystem, true, `${metadata.name} ${name}`)
      assert.equal(securityContext?.runAsNonRoot, true, `${metadata.name} ${name}`)
    }
  }
})

test('the policies of the network are ones that the API server knows; whether they are kept is the network’s part', async () => {
  const { dataDir } = clusterUnderTest()
  const folder = join(dataDir, 'policies')
  mkdirSync(folder, { recursive: true })
  const component = fileURLToPath(new URL('../../knative/components/network-policies', import.meta.url))
  const kustomization = { namespace, components: [relative(folder, component)] }
  writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization))
  const rendered = await kubectl.run(['kustomize', folder])
  const taken = await kubectl.run(['apply', '--dry-run=server', '-f', '-'], { input: rendered })
  const policies = taken.trim().split('\n')
  assert.ok(policies.length >= 8, taken)
  for (const line of policies) assert.match(line, /^networkpolicy\.networking\.k8s\.io\/\S+ created \(server dry run\)$/)
})

test('when nobody asks, all but the warm functions end at zero pods', async () => {
  const names = functions.map(({ name }) => name)
  // The functions of the clock start every minute, for a moment each.
  const byClock = new Set(functions.filter(({ schedule }) => schedule).map(({ name }) => name))
  const rested = new Set<string>()
  await until(
    'every other function has been at zero pods',
    240,
    async () => {
      for (const name of names) if ((await pods(name)).length === 0) rested.add(name)
      return names.filter(name => !rested.has(name) && !warm.includes(name))
    },
    waiting => waiting.length === 0,
  )
  for (const name of warm) assert.ok((await pods(name)).some(isReady), `${name} is awake`)
  const awake = await Promise.all(
    names.filter(name => !warm.includes(name) && !byClock.has(name)).map(async name => (await pods(name)).length),
  )
  assert.equal(
    awake.reduce((sum, count) => sum + count, 0),
    0,
  )
})

test('deploying the same again starts no new revision, and asks nobody to wait', async () => {
  const { cluster, services, images, dataDir } = clusterUnderTest()
  const revisions = async () =>
    (await functionsOf(kubectl, namespace)).map(({ metadata, status }) => `${metadata.name} ${status?.latestCreatedRevisionName}`)
  const before = await revisions()
  const lines: string[] = []
  await deployLocally({
    ...{ kubectl, cluster, namespace, services, images, dataDir },
    folder: join(dataDir, 'deploy'),
    timeout: 120_000,
    say: line => lines.push(line),
  })
  assert.deepEqual(await revisions(), before)
  assert.ok(
    lines.some(line => line.startsWith(`${functions.length} of ${functions.length} functions are ready`)),
    lines.join('\n'),
  )
  assert.equal((await call('GET /v1/stock?limit=1')).status, 200)
})
