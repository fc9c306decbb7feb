import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { consumerGroupOf } from '../shared/events/catalog.ts'
import { databases } from '../shared/function/resources.ts'
import { declaredFunctions } from './declared.ts'

interface Variable {
  name: string
  value?: string
  valueFrom?: { secretKeyRef?: { name: string; key: string }; configMapKeyRef?: { name: string; key: string } }
}

interface KnativeService {
  kind: string
  metadata: { name: string; labels: Record<string, string> }
  spec: {
    template: {
      metadata: { annotations: Record<string, string> }
      spec: { containerConcurrency: number; timeoutSeconds: number; containers: { args: string[]; env?: Variable[] }[] }
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
    delivery: Record<string, unknown>
    sink: { ref: { kind: string; name: string } }
  }
}

const folder = (name: string) => new URL(`../${name}/`, import.meta.url)
const resourcesIn = (name: string) =>
  readdirSync(folder(name)).filter(file => file.endsWith('.yaml') && !['kustomization.yaml', 'topics.yaml'].includes(file))
const textOf = (name: string, file: string) => readFileSync(new URL(file, folder(name)), 'utf8')

const serviceOf = (name: string): KnativeService => parseAllDocuments(textOf('knative/base', `${name}.yaml`))[0]?.toJS()
const environmentOf = (name: string): Variable[] => serviceOf(name).spec.template.spec.containers[0]?.env ?? []
const secretsOf = (name: string): string[] =>
  environmentOf(name)
    .filter(({ valueFrom }) => valueFrom?.secretKeyRef)
    .map(variable => variable.name)
    .sort()

const functions = await declaredFunctions()
const sources = resourcesIn('kafka-sources').map(file => parse(textOf('kafka-sources', file)) as KafkaSource)

test('every function has one file that starts it by its name, and there are no others', () => {
  assert.deepEqual(resourcesIn('knative/base').sort(), functions.map(({ name }) => `${name}.yaml`).sort())
  for (const fn of functions) {
    const service = serviceOf(fn.name)
    assert.deepEqual([service.kind, service.metadata.name], ['Service', fn.name])
    assert.deepEqual(service.spec.template.spec.containers[0]?.args, [fn.name])
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
      ...(uses.some(use => use.startsWith('call:')) ? ['CLIENT_SECRET'] : []),
      ...(uses.includes('redis') ? ['REDIS_URL'] : []),
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

test('no secret stands in a file, and each client has its own', () => {
  for (const fn of functions) {
    for (const { name, value, valueFrom } of environmentOf(fn.name)) {
      if (/SECRET|PASSWORD|_KEYS?$|DATABASE_URL/.test(name)) assert.equal(value, undefined, `${fn.name} ${name}`)
      if (name === 'CLIENT_SECRET') assert.equal(valueFrom?.secretKeyRef?.name, `client-${fn.name}`)
    }
  }
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

test('every source has every delivery field, for the defaults apply only when all are absent', () => {
  for (const { metadata, spec } of sources) {
    const { retry, backoffPolicy, backoffDelay, timeout, deadLetterSink, ...others } = spec.delivery
    assert.ok(Number.isInteger(retry) && Number(retry) > 0, metadata.name)
    assert.ok(['exponential', 'linear'].includes(String(backoffPolicy)))
    for (const duration of [backoffDelay, timeout]) assert.match(String(duration), /^PT\d+(\.\d+)?[SM]$/)
    assert.deepEqual(others, {})
    assert.deepEqual((deadLetterSink as KafkaSource['spec']['sink']).ref, {
      apiVersion: 'serving.knative.dev/v1',
      kind: 'Service',
      name: 'dead-letters',
    })
  }
})

test('where dead letters go, somebody is always awake', () => {
  assert.ok((functions.find(({ name }) => name === 'dead-letters')?.scale.min ?? 0) >= 1)
})
