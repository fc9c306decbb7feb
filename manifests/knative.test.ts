import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import type { z } from 'zod'
import { consumerGroupOf } from '../shared/events/catalog.ts'
import { databases } from '../shared/function/resources.ts'
import { configOf } from '../shared/function/start.ts'
import { declaredFunctions } from './declared.ts'

interface Mounted {
  name: string
  optional?: boolean
  items: { key: string; path: string }[]
}

interface Container {
  args: string[]
  env?: { name: string; value: string }[]
  resources: { requests: Record<string, string>; limits: Record<string, string> }
  securityContext: Record<string, unknown>
  volumeMounts: { mountPath: string; readOnly: boolean }[]
  readinessProbe: { httpGet: { path: string }; periodSeconds?: number }
}

interface KnativeService {
  kind: string
  metadata: { name: string; labels: Record<string, string> }
  spec: {
    template: {
      metadata: { annotations: Record<string, string>; labels: Record<string, string> }
      spec: {
        containerConcurrency: number
        timeoutSeconds: number
        serviceAccountName: string
        automountServiceAccountToken: boolean
        containers: Container[]
        volumes: { projected: { sources: { configMap?: Mounted; secret?: Mounted }[] } }[]
      }
    }
  }
}

interface KafkaSource {
  metadata: { name: string }
  spec: {
    consumerGroup: string
    topics: string[]
    initialOffset: string
    ordering: string
    sink: { ref: { kind: string; name: string } }
  }
}

/** What belongs to no single function. */
const shared = ['migrate.yaml', 'service-account.yaml']
const folder = (name: string) => new URL(`../${name}/`, import.meta.url)
const resourcesIn = (name: string) =>
  readdirSync(folder(name)).filter(file => file.endsWith('.yaml') && !['kustomization.yaml', ...shared].includes(file))
const textOf = (name: string, file: string) => readFileSync(new URL(file, folder(name)), 'utf8')

const serviceOf = (name: string): KnativeService => parseAllDocuments(textOf('knative/base', `${name}.yaml`))[0]?.toJS()
const containerOf = (name: string): Container => serviceOf(name).spec.template.spec.containers[0] as Container
const environmentOf = (name: string) => containerOf(name).env ?? []
const sourcesOf = (name: string) => serviceOf(name).spec.template.spec.volumes.flatMap(({ projected }) => projected.sources)
const pathsOf = (sources: readonly (Mounted | undefined)[]): string[] =>
  sources.flatMap(source => source?.items.map(({ path }) => path) ?? []).sort()
const secretsOf = (name: string): string[] => pathsOf(sourcesOf(name).map(({ secret }) => secret))
const settingsOf = (name: string): string[] => pathsOf(sourcesOf(name).map(({ configMap }) => configMap))

const functions = await declaredFunctions()
const sources = resourcesIn('kafka-sources').map(file => parse(textOf('kafka-sources', file)) as KafkaSource)

test('every function has one file that starts it by its name, and there are no others', () => {
  assert.deepEqual(resourcesIn('knative/base').sort(), functions.map(({ name }) => `${name}.yaml`).sort())
  for (const fn of functions) {
    const service = serviceOf(fn.name)
    assert.deepEqual([service.kind, service.metadata.name], ['Service', fn.name])
    assert.deepEqual(containerOf(fn.name).args, [fn.name])
  }
})

test('every file is listed in its kustomization', () => {
  for (const name of ['knative/base', 'kafka-sources']) {
    const { resources } = parse(textOf(name, 'kustomization.yaml')) as { resources: string[] }
    const files = readdirSync(folder(name)).filter(file => file.endsWith('.yaml') && file !== 'kustomization.yaml')
    assert.deepEqual([...resources].sort(), files.sort())
  }
})

test('a function is given the secrets of what it uses, and no others', () => {
  for (const fn of functions) {
    const uses = fn.uses.map(String)
    const allowed = [
      ...databases.filter(name => uses.includes(`db:${name}`)).map(name => `${name.toUpperCase()}_DATABASE_URL`),
      ...databases.filter(name => uses.includes(`replica:${name}`)).map(name => `${name.toUpperCase()}_DATABASE_REPLICA_URL`),
      ...(uses.some(use => use.startsWith('call:')) ? ['CLIENT_SECRET'] : []),
      ...(uses.includes('redis') || uses.includes('cache') ? ['REDIS_URL'] : []),
      // What it declares in its own configuration.
      ...Object.entries(fn.config.shape).flatMap(([name, schema]) =>
        (schema as { meta(): { secret?: boolean } | undefined }).meta()?.secret ? [name] : [],
      ),
    ]
    assert.deepEqual(secretsOf(fn.name), allowed.sort(), fn.name)
  }
})

test('cancelling an order needs the orders and nothing else; sending mail sees no orders', () => {
  assert.deepEqual(secretsOf('orders-cancel'), ['ORDERS_DATABASE_URL'])
  assert.ok(!secretsOf('notifications-send').includes('ORDERS_DATABASE_URL'))
  assert.ok(secretsOf('orders-place').includes('CLIENT_SECRET'))
  assert.deepEqual(secretsOf('gateway'), ['REDIS_URL'])
})

test('no secret stands in a file or in an environment, and each client has its own', () => {
  for (const fn of functions) {
    for (const { name } of environmentOf(fn.name)) assert.ok(['CLIENT_ID', 'NODE_OPTIONS'].includes(name), `${fn.name} ${name}`)
    for (const { secret } of sourcesOf(fn.name)) {
      if (secret?.items.some(({ path }) => path === 'CLIENT_SECRET')) assert.equal(secret.name, `client-${fn.name}`)
    }
  }
})

test('every setting that a function needs is mounted, and one that it can do without may be missing', () => {
  for (const fn of functions) {
    for (const [name, schema] of Object.entries(configOf(fn).shape) as [string, z.ZodType][]) {
      if (schema.safeParse(undefined).success || name === 'CLIENT_ID') continue
      const mounted = sourcesOf(fn.name)
        .map(({ configMap, secret }) => configMap ?? secret)
        .find(source => source?.items.some(({ path }) => path === name))
      assert.ok(mounted, `${fn.name} is given ${name}`)
      assert.notEqual(mounted.optional, true, `${fn.name} does not start without ${name}`)
    }
    for (const name of ['PORT', 'HOST', 'METRICS_PORT', 'DATABASE_POOL']) assert.ok(!settingsOf(fn.name).includes(name), name)
  }
})

test('a pod has no rights that a function does not need', () => {
  for (const fn of functions) {
    const { spec } = serviceOf(fn.name).spec.template
    assert.deepEqual([spec.serviceAccountName, spec.automountServiceAccountToken], ['tidemark', false], fn.name)
    assert.deepEqual(containerOf(fn.name).securityContext, {
      runAsNonRoot: true,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    })
    assert.deepEqual(
      containerOf(fn.name).volumeMounts.map(({ readOnly }) => readOnly),
      [true],
    )
  }
})

test('the labels by which the network is opened say what the function uses, and no more', () => {
  const words: Record<string, string> = { db: 'postgres', replica: 'postgres', cache: 'redis', call: 'functions' }
  for (const fn of functions) {
    const used = fn.uses.map(use => use.split(':')[0] as string).map(kind => words[kind] ?? kind)
    const finds = Object.hasOwn(configOf(fn).shape, 'FUNCTION_URL') ? ['functions'] : []
    const expected = new Set([...used, ...finds, ...(fn.providers.length > 0 ? ['internet'] : [])])
    const { labels } = serviceOf(fn.name).spec.template.metadata
    const found = Object.keys(labels).filter(label => label.startsWith('tidemark.dev/uses-'))
    assert.deepEqual(found.map(label => label.replace('tidemark.dev/uses-', '')).sort(), [...expected].sort(), fn.name)
  }
})

test('a revision that cannot start never gets traffic: none begins with zero instances', () => {
  for (const fn of functions) {
    const { annotations } = serviceOf(fn.name).spec.template.metadata
    assert.equal(annotations['autoscaling.knative.dev/initial-scale'], undefined, fn.name)
    assert.ok(annotations['serving.knative.dev/progress-deadline'])
  }
})

test('what is pinned warm is asked without the activator, and a cold start waits for no tick of a probe', () => {
  for (const fn of functions) {
    const burst = serviceOf(fn.name).spec.template.metadata.annotations['autoscaling.knative.dev/target-burst-capacity']
    assert.equal(burst, fn.scale.min > 0 ? '0' : undefined, fn.name)
    assert.equal(containerOf(fn.name).readinessProbe.periodSeconds, undefined)
  }
})

test('memory is limited, and a larger young generation fits into what a warm function may use', () => {
  for (const fn of functions) {
    const { requests, limits } = containerOf(fn.name).resources
    assert.ok(requests.cpu && requests.memory && limits.memory, fn.name)
    assert.equal(limits.cpu, undefined, 'a limit of CPU slows the cold start')
    // Three semi-spaces of 64 MiB.
    if (environmentOf(fn.name).some(({ name }) => name === 'NODE_OPTIONS'))
      assert.ok(Number.parseInt(String(limits.memory), 10) >= 256)
  }
})

test('the migration sees every database and nothing else', () => {
  const job = parse(textOf('knative/base', 'migrate.yaml')) as {
    spec: { ttlSecondsAfterFinished: number; template: { spec: KnativeService['spec']['template']['spec'] } }
  }
  const { spec } = job.spec.template
  assert.deepEqual(
    pathsOf(spec.volumes.flatMap(({ projected }) => projected.sources.map(({ secret }) => secret))),
    databases.map(name => `${name.toUpperCase()}_DATABASE_URL`).sort(),
  )
  assert.ok(job.spec.ttlSecondsAfterFinished > 0, 'a Job cannot be changed: a finished one must go')
  assert.equal(spec.automountServiceAccountToken, false)
})

test('one function is public, and all others can be reached from the cluster only', () => {
  const open = functions.filter(
    ({ name }) => serviceOf(name).metadata.labels['networking.knative.dev/visibility'] !== 'cluster-local',
  )
  assert.deepEqual(
    open.map(({ name }) => name),
    ['gateway'],
  )
})

test('every function scales as it declares, within limits', () => {
  for (const fn of functions) {
    const { metadata, spec } = serviceOf(fn.name).spec.template
    assert.equal(metadata.annotations['autoscaling.knative.dev/min-scale'], String(fn.scale.min))
    assert.equal(metadata.annotations['autoscaling.knative.dev/max-scale'], String(fn.scale.max))
    assert.ok(fn.scale.max > 0, `${fn.name} has a limit`)
    assert.deepEqual([spec.containerConcurrency, spec.timeoutSeconds], [fn.scale.concurrency, fn.scale.timeout])
  }
})

test('every operation, event and tick is given up by its function before Knative gives it up', () => {
  for (const fn of functions) {
    const deadlines = [...fn.operations.map(({ deadline }) => deadline), fn.trigger?.deadline ?? 0, fn.schedule?.deadline ?? 0]
    for (const deadline of deadlines) assert.ok(deadline < fn.scale.timeout * 1_000, `${fn.name}: ${deadline} ms`)
  }
})

test('every function that runs by the clock has a PingSource that says so', () => {
  for (const fn of functions) {
    const ping = parseAllDocuments(textOf('knative/base', `${fn.name}.yaml`))
      .slice(1)
      .map(document => document.toJS() as { kind: string; spec: { schedule: string; sink: { ref: { name: string } } } })
    assert.deepEqual(
      ping.map(({ kind, spec }) => [kind, spec.schedule, spec.sink.ref.name]),
      fn.schedule ? [['PingSource', fn.schedule.cron, fn.name]] : [],
    )
  }
})

test('every function that handles events has a source, which begins with the eldest event and names its group', () => {
  const handling = functions.filter(fn => fn.trigger)
  assert.deepEqual(sources.map(({ metadata }) => metadata.name).sort(), handling.map(({ name }) => name).sort())
  for (const { metadata, spec } of sources) {
    const trigger = handling.find(({ name }) => name === metadata.name)?.trigger
    assert.deepEqual(
      [spec.initialOffset, spec.consumerGroup, spec.topics, spec.ordering, spec.sink.ref.name],
      ['earliest', consumerGroupOf(metadata.name), [trigger?.topic], trigger?.order, metadata.name],
    )
  }
})

test('where dead letters go, somebody is always awake', () => {
  assert.ok((functions.find(({ name }) => name === 'dead-letters')?.scale.min ?? 0) >= 1)
})
