import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { databases } from '../shared/function/resources.ts'
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

const platform = filesUnder('knative/platform', /\.yaml$/).flatMap(documents)
const one = (kind: string, name: string): Resource => {
  const found = platform.filter(resource => resource.kind === kind && resource.metadata?.name === name)
  assert.equal(found.length, 1, `one ${kind} ${name}`)
  return found[0]
}
const functions = await declaredFunctions()
const serviceOf = (name: string): Resource => documents(`knative/base/${name}.yaml`)[0]
const environments = ['staging', 'production'] as const

test('the loss of one broker loses no event and stops no sale, and none out of sync becomes leader', () => {
  const { config, template, listeners } = one('Kafka', 'kafka').spec.kafka
  assert.equal(one('KafkaNodePool', 'brokers').spec.replicas, 3)
  for (const factor of Object.keys(config).filter(key => key.endsWith('replication.factor')))
    assert.equal(config[factor], 3, factor)
  for (const key of ['min.insync.replicas', 'transaction.state.log.min.isr']) assert.equal(config[key], 2)
  assert.deepEqual([config['unclean.leader.election.enable'], config['auto.create.topics.enable']], [false, false])
  assert.equal(template.podDisruptionBudget.maxUnavailable, 1)
  for (const { networkPolicyPeers } of listeners)
    assert.ok(networkPolicyPeers.length > 0, 'a listener without peers is open to all')
  const topics = filesUnder('kafka-sources', /topics\.yaml$/).flatMap(documents)
  assert.ok(topics.length > 0)
  for (const { apiVersion, metadata, spec } of topics) {
    assert.equal(apiVersion, one('Kafka', 'kafka').apiVersion, 'Strimzi 1.x serves no other')
    assert.deepEqual([spec.replicas, spec.config['min.insync.replicas']], [3, 2], metadata.name)
    assert.deepEqual([metadata.namespace, metadata.labels['strimzi.io/cluster']], ['kafka', 'kafka'])
  }
})

test('the relay and the dead letters ask for the answer of all replicas', () => {
  for (const path of ['shared/events/relay.ts', 'functions/plumbing/dead-letter-producer.ts'])
    assert.match(textOf(path), /acks: -1/, path)
})

test('a commit that was answered is on two disks, and in the archive within a minute', () => {
  const { spec } = one('Cluster', 'postgres')
  const { method, number: standbys, dataDurability } = spec.postgresql.synchronous
  assert.deepEqual([spec.instances, method, standbys, dataDurability], [3, 'any', 1, 'required'])
  assert.equal(spec.postgresql.parameters.archive_timeout, '60s')
  assert.equal(spec.plugins.find((plugin: Resource) => plugin.isWALArchiver)?.parameters.barmanObjectName, 'postgres-backups')
  const { spec: backup } = one('ScheduledBackup', 'nightly')
  assert.deepEqual([backup.cluster.name, backup.method, backup.schedule.split(' ').length], ['postgres', 'plugin', 6])
  assert.ok(one('ObjectStore', 'postgres-backups').spec.retentionPolicy)
})

test('every service has its database and a role of the same name, which enters no other', () => {
  const cluster = one('Cluster', 'postgres').spec
  const names = [...databases, 'schema_registry'].sort()
  const declared = platform.filter(({ kind }) => kind === 'Database').map(({ spec }) => spec)
  assert.deepEqual(declared.map(({ name }) => name).sort(), names)
  for (const { name, owner, databaseReclaimPolicy } of declared)
    assert.deepEqual([owner, databaseReclaimPolicy], [name, 'retain'])
  assert.deepEqual(cluster.managed.roles.map(({ name }: Resource) => name).sort(), names)
  for (const role of cluster.managed.roles) {
    for (const power of ['superuser', 'createdb', 'createrole', 'replication', 'bypassrls', 'inRoles'])
      assert.ok(!role[power], power)
    assert.equal(role.passwordSecret.name, `${role.name.replace('_', '-')}-role`)
  }
  assert.deepEqual(cluster.postgresql.pg_hba, ['hostssl sameuser all all scram-sha-256', 'host all all all reject'])
})

/** Who connects to Postgres itself, as the component of sessions says. */
const direct = ['inventory', 'outbox-relay', 'migrate']

test('Postgres has room for what the poolers and the sessions may open, once more while a revision is replaced', () => {
  const { postgresql, managed } = one('Cluster', 'postgres').spec
  const pooler = one('Pooler', 'postgres-pooler').spec
  const sum = databases.map(database => {
    const sessions = functions
      .filter(fn => direct.includes(fn.name) && fn.uses.map(String).includes(`db:${database}`))
      .map(fn => fn.scale.max * 2 * 2 * Number((fn.config.shape as Resource).DATABASE_POOL?.parse(undefined) ?? 2))
    const open =
      sessions.reduce((all, few) => all + few, 1) + pooler.instances * Number(pooler.pgbouncer.parameters.default_pool_size)
    const { connectionLimit } = managed.roles.find(({ name }: Resource) => name === database)
    assert.ok(open <= connectionLimit, `${database}: ${open} of ${connectionLimit}`)
    return connectionLimit
  })
  const registry = managed.roles.find(({ name }: Resource) => name === 'schema_registry').connectionLimit
  const all = sum.reduce((total, few) => total + few, registry)
  assert.ok(all + 20 <= Number(postgresql.parameters.max_connections), `${all} and 20 for operators`)
})

test('the pooler keeps the deadlines that a function asks for, and lets it connect', () => {
  const { poolMode, parameters } = one('Pooler', 'postgres-pooler').spec.pgbouncer
  const asked = /serverDeadlines = \{(.*)\}/.exec(textOf('shared/data/postgres.ts'))?.[1] as string
  const names = [...asked.matchAll(/(\w+): ([\d_]+)/g)].map(([, name = '', value = '']) => [name, value.replace('_', '')])
  assert.deepEqual(
    parameters.ignore_startup_parameters.split(','),
    names.map(([name]) => name),
  )
  const seconds = Object.fromEntries(names.map(([name, value]) => [name, String(Number(value) / 1_000)]))
  assert.deepEqual(
    [parameters.query_timeout, parameters.idle_transaction_timeout],
    [seconds.statement_timeout, seconds.idle_in_transaction_session_timeout],
  )
  assert.equal(poolMode, 'transaction')
  assert.ok(Number(parameters.max_prepared_statements) > 0, 'the driver prepares its statements')
})

test('who keeps a lock in a session connects to Postgres itself, and everybody who does has a reason', () => {
  const { patches } = documents('knative/platform/postgres/sessions/kustomization.yaml')[0]
  assert.deepEqual(patches.map(({ target }: Resource) => target.name.replace(/[$^]/g, '')).sort(), [...direct].sort())
  for (const { target, patch } of patches) {
    const name = target.name.replace(/[$^]/g, '')
    const { sources } = serviceOf(name).spec.template.spec.volumes[0].projected
    const replaced = parseAllDocuments(patch)[0]?.toJS() as { op: string; path: string; value: string }[]
    for (const { op, path, value } of replaced) {
      const found = sources[Number(/sources\/(\d+)/.exec(path)?.[1])].secret.name
      assert.equal(value, op === 'test' ? found : `${found}-session`)
    }
    const of = sources.filter(({ secret }: Resource) => secret?.name.endsWith('-database'))
    assert.equal(replaced.length, of.length * 2, `${name} has all its databases`)
  }
})

test('a budget for disruptions stands only where no operator and no autoscaler keeps one', () => {
  const budgets = platform.filter(({ kind }) => kind === 'PodDisruptionBudget').map(({ metadata }) => metadata.name)
  assert.deepEqual(budgets.sort(), ['postgres-pooler', 'redis', 'schema-registry'])
  for (const name of environments)
    assert.ok(filesUnder(`knative/overlays/${name}`, /\.yaml$/).every(path => !textOf(path).includes('PodDisruptionBudget')))
  assert.equal(one('Cluster', 'postgres').spec.enablePDB, true)
})

test('Redis is a cluster, and the URL that functions are given says so', () => {
  assert.match(textOf('knative/platform/redis/redis.conf'), /^cluster-enabled yes$/m)
  const [, url = ''] = /`REDIS_URL`: `([^`]+)`/.exec(textOf('knative/platform/README.md')) ?? []
  const { protocol, hostname, port } = new URL(url)
  const service = platform.find(({ kind, metadata, spec }) => kind === 'Service' && metadata.name === 'redis' && spec.ports)
  assert.deepEqual(
    [protocol, hostname, port],
    ['redis+cluster:', `redis.${service.metadata.namespace}.svc.cluster.local`, String(service.spec.ports[0].port)],
  )
})
