import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { declaredFunctions } from './declared.ts'

// biome-ignore lint/suspicious/noExplicitAny: objects of many kinds, each looked into where it is tested
type Resource = any

const root = new URL('../', import.meta.url)
const textOf = (path: string) => readFileSync(new URL(path, root), 'utf8')
const documents = (path: string): Resource[] => parseAllDocuments(textOf(path)).map(document => document.toJS())
const filesUnder = (folder: string, ending: RegExp): string[] =>
  (readdirSync(new URL(folder, root), { recursive: true }) as string[])
    .filter(name => ending.test(name))
    .map(name => `${folder}/${name}`)

const mine = [
  'knative/platform',
  'knative/overlays/staging',
  'knative/overlays/production',
  'knative/components/network-policies',
  'knative/components/high-availability',
  'knative/components/observability',
]
const platform = filesUnder('knative/platform', /\.yaml$/).flatMap(documents)
const one = (kind: string, name: string): Resource => {
  const found = platform.filter(resource => resource.kind === kind && resource.metadata?.name === name)
  assert.equal(found.length, 1, `one ${kind} ${name}`)
  return found[0]
}
const functions = await declaredFunctions()
const serviceOf = (name: string): Resource => documents(`knative/base/${name}.yaml`)[0]
const environments = ['staging', 'production'] as const
const number = (quantity: string | number): number => {
  const [, digits = '', unit = ''] = /^([\d.]+)(m|Mi|Gi)?$/.exec(String(quantity)) ?? []
  assert.ok(digits, `${quantity} is a quantity`)
  return Number(digits) * ({ m: 0.001, Mi: 2 ** 20, Gi: 2 ** 30 }[unit] ?? 1)
}

test('every setting that a function needs is given in each environment, and no secret is among them', () => {
  const needed = new Set<string>()
  const known = new Set<string>()
  for (const { name } of functions) {
    for (const { configMap } of serviceOf(name).spec.template.spec.volumes[0].projected.sources)
      for (const { key } of configMap?.items ?? []) (configMap.optional ? known : needed).add(key)
  }
  for (const name of environments) {
    const lines = textOf(`knative/overlays/${name}/settings.env`)
      .split('\n')
      .filter(line => /^[A-Z]/.test(line))
    const given = lines.map(line => line.split('=')[0] as string)
    assert.deepEqual(
      [...needed].filter(key => !given.includes(key)),
      [],
      name,
    )
    assert.deepEqual(
      given.filter(key => !needed.has(key) && !known.has(key)),
      [],
      `${name}: nobody reads these`,
    )
    for (const line of lines) assert.doesNotMatch(line, /PASSWORD|SECRET|SEALING|DATABASE_URL|REDIS_URL|:\/\/[^/]*@/)
  }
})

test('every Secret that is asked for stands in the list of Secrets, with its key', () => {
  const listed = textOf('knative/platform/README.md')
  const asked = [...functions.map(({ name }) => name), 'migrate'].flatMap(name =>
    serviceOf(name).spec.template.spec.volumes[0].projected.sources.flatMap(({ secret }: Resource) => (secret ? [secret] : [])),
  )
  assert.ok(asked.length > 20)
  for (const { name, items } of asked) {
    const row = listed.split('\n').find(line => line.startsWith('| `tidemark` ') && line.includes(`\`${name}\``))
    assert.ok(row, `${name} is listed`)
    for (const { key } of items) assert.ok(row.includes(`\`${key}\``), `${name} ${key}`)
    if (name.endsWith('-database')) assert.ok(listed.includes(`\`${name}-session\``))
  }
  for (const { passwordSecret } of one('Cluster', 'postgres').spec.managed.roles)
    assert.ok(listed.includes(`\`${passwordSecret.name}\``))
})

test('a quota refuses no queue-proxy, and production lets every function reach its limit', () => {
  const limits = one('LimitRange', 'containers')
  const { default: standard, defaultRequest } = limits.spec.limits[0]
  assert.equal(limits.metadata.namespace, 'tidemark')
  const queue = one('ConfigMap', 'config-deployment').data
  const quota = (name: string) => documents(`knative/overlays/${name}/quota.yaml`)[0].spec.hard
  for (const name of environments) {
    // What a quota counts, a container must have: from its own manifest or from these defaults.
    for (const counted of Object.keys(quota(name)).filter(key => /^(requests|limits)\./.test(key))) {
      const [side, what = ''] = counted.split('.') as [string, string?]
      assert.ok((side === 'limits' ? standard : defaultRequest)[what], `${name} ${counted}`)
    }
  }
  const need = { pods: 0, 'requests.memory': 0, 'limits.memory': 0, 'requests.cpu': 0 }
  let largest = { ...need }
  for (const { name, scale } of functions) {
    const { requests, limits: most } = serviceOf(name).spec.template.spec.containers[0].resources
    const all = {
      pods: scale.max,
      'requests.memory': scale.max * (number(requests.memory) + number(queue['queue-sidecar-memory-request'])),
      'limits.memory': scale.max * (number(most.memory) + number(queue['queue-sidecar-memory-limit'])),
      'requests.cpu': scale.max * (number(requests.cpu) + number(queue['queue-sidecar-cpu-request'])),
    }
    for (const key of Object.keys(need) as (keyof typeof need)[]) need[key] += all[key]
    if (all.pods > largest.pods) largest = all
  }
  for (const key of Object.keys(need) as (keyof typeof need)[]) {
    const wanted = need[key] + largest[key]
    assert.ok(number(quota('production')[key]) >= wanted, `${key}: ${quota('production')[key]} for ${wanted}`)
    assert.ok(number(quota('staging')[key]) < number(quota('production')[key]), `${key} is smaller in staging`)
  }
})

test('in production every function that is pinned warm survives the loss of a node', () => {
  const { patches } = documents('knative/components/high-availability/kustomization.yaml')[0]
  const warm = functions.filter(({ scale }) => scale.min > 0)
  assert.deepEqual(patches.map(({ target }: Resource) => target.name).sort(), warm.map(({ name }) => `^${name}$`).sort())
  for (const { target, patch } of patches) {
    const changes = parseAllDocuments(patch)[0]?.toJS() as { path: string; value: Resource }[]
    const min = Number(changes.find(({ path }) => path.endsWith('min-scale'))?.value)
    const max = warm.find(({ name }) => target.name === `^${name}$`)?.scale.max ?? 0
    assert.ok(min >= 2 && min <= max, `${target.name}: ${min} of ${max}`)
  }
  assert.ok(
    documents('knative/overlays/production/kustomization.yaml')[0].components.includes('../../components/high-availability'),
  )
  assert.equal(one('ConfigMap', 'config-features').data['kubernetes.podspec-topologyspreadconstraints'], 'enabled')
})

test('both environments put the same files together, and keep the name of the settings', () => {
  const [staging, production] = environments.map(name => documents(`knative/overlays/${name}/kustomization.yaml`)[0])
  assert.deepEqual(staging.resources, production.resources)
  for (const { configMapGenerator, components } of [staging, production]) {
    assert.deepEqual([configMapGenerator[0].name, configMapGenerator[0].options.disableNameSuffixHash], ['tidemark', true])
    for (const needed of ['../../components/network-policies', '../../platform/postgres/sessions'])
      assert.ok(components.includes(needed))
  }
})

test('no image names a registry, no Secret stands in a file, and namespaces are restricted', () => {
  for (const path of mine.flatMap(folder => filesUnder(folder, /\.(yaml|md|env|sh|conf)$/))) {
    assert.doesNotMatch(textOf(path), /(gcr\.io|ghcr\.io|quay\.io|docker\.io|registry\.k8s\.io)/, path)
    assert.doesNotMatch(textOf(path), /^kind: Secret$/m, path)
    for (const [, image = ''] of textOf(path).matchAll(/^\s+(?:- )?image: (\S+)$/gm))
      assert.match(image, /^[a-z0-9/-]+:[\w.-]+$/, path)
  }
  for (const name of ['tidemark', 'kafka', 'tidemark-data'])
    assert.equal(one('Namespace', name).metadata.labels['pod-security.kubernetes.io/enforce'], 'restricted')
})
