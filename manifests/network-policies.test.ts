import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { declaredFunctions } from './declared.ts'
import { type Cluster, type End, isAllowed, type NetworkPolicy, type Peer, type Pod } from './network-policies.ts'

const documents = (path: string) =>
  parseAllDocuments(readFileSync(new URL(`../knative/${path}`, import.meta.url), 'utf8')).map(document => document.toJS())
const component = 'components/network-policies'
const files = [
  ...readdirSync(new URL(`../knative/${component}/`, import.meta.url))
    .filter(name => name !== 'kustomization.yaml')
    .map(name => `${component}/${name}`),
  ...['namespaces', 'kafka', 'postgres', 'redis', 'schema-registry'].map(name => `platform/${name}/network-policies.yaml`),
]

/** Strimzi makes the brokers' policy from the peers of each listener. */
const brokers = (): NetworkPolicy => ({
  kind: 'NetworkPolicy',
  metadata: { name: 'kafka-network-policy-kafka', namespace: 'kafka' },
  spec: {
    podSelector: { matchLabels: { 'strimzi.io/broker-role': 'true' } },
    policyTypes: ['Ingress'],
    ingress: (
      documents('platform/kafka/kafka.yaml')[0].spec.kafka.listeners as { port: number; networkPolicyPeers?: Peer[] }[]
    ).map(({ port, networkPolicyPeers }) => ({
      ...(networkPolicyPeers && { from: networkPolicyPeers }),
      ports: [{ port }],
    })),
  },
})
const policies = (): NetworkPolicy[] => [...files.flatMap(documents), brokers()]
const cluster: Cluster = { policies: policies() }

const pod = (namespace: string, labels: Record<string, string> = {}): Pod => ({ namespace, labels })
const functions = await declaredFunctions()
/** A function's pod has the labels of its template, and one that Knative adds. */
const pods = new Map(
  functions.map(({ name }) => {
    const [service] = documents(`base/${name}.yaml`)
    return [name, pod('tidemark', { ...service.spec.template.metadata.labels, 'serving.knative.dev/service': name })]
  }),
)
const podOf = (name: string) => pods.get(name) as Pod
const migration = pod('tidemark', documents('base/migrate.yaml')[0].spec.template.metadata.labels)

const kourier = pod('kourier-system', { app: '3scale-kourier-gateway' })
const activator = pod('knative-serving', { app: 'activator' })
const postgres = pod('tidemark-data', { 'cnpg.io/cluster': 'postgres', 'cnpg.io/podRole': 'instance' })
const pooler = pod('tidemark-data', { 'cnpg.io/poolerName': 'postgres-pooler' })
const redis = pod('tidemark-data', { 'app.kubernetes.io/name': 'redis' })
const registry = pod('tidemark-data', { 'app.kubernetes.io/name': 'schema-registry' })
const kafka = pod('kafka', { 'strimzi.io/broker-role': 'true', 'strimzi.io/cluster': 'kafka' })
const stores: Record<string, [End, number][]> = {
  postgres: [
    [postgres, 5432],
    [pooler, 5432],
  ],
  redis: [[redis, 6379]],
  kafka: [[kafka, 9092]],
  registry: [[registry, 8080]],
  functions: [[kourier, 8081]],
  internet: [[{ address: '203.0.113.7' }, 443]],
}

/** What each function's declaration says that it uses. */
function declaredUses(fn: (typeof functions)[number]): Set<string> {
  const words: Record<string, string> = { db: 'postgres', replica: 'postgres', cache: 'redis', call: 'functions' }
  const used = fn.uses.map(use => use.split(':')[0] as string).map(kind => words[kind] ?? kind)
  return new Set([
    ...used,
    ...(fn.providers.length > 0 ? ['internet'] : []),
    // Who calls functions that it does not know beforehand: the public door, and the one that delivers dead letters again.
    ...(Object.hasOwn(fn.config.shape, 'FUNCTION_URL') ? ['functions'] : []),
  ])
}

/** Every way in or out that is not as it should be. */
function faults(within: Cluster): string[] {
  const found: string[] = []
  const expect = (from: End, to: End, port: number, should: boolean, what: string) => {
    if (isAllowed(within, from, to, port) !== should) found.push(`${what}: ${should ? 'closed' : 'open'}`)
  }
  for (const fn of functions) {
    const uses = declaredUses(fn)
    for (const [kind, ends] of Object.entries(stores)) {
      for (const [end, port] of ends) expect(podOf(fn.name), end, port, uses.has(kind), `${fn.name} to ${kind}`)
    }
    for (const address of ['10.1.2.3', '169.254.169.254', '192.168.0.1', '172.31.9.9']) {
      expect(podOf(fn.name), { address }, 443, false, `${fn.name} to ${address}`)
    }
    expect(podOf(fn.name), { address: '203.0.113.7' }, 80, false, `${fn.name} to the internet without TLS`)
    for (const port of [8012, 8013, 8112]) {
      for (const ingress of [kourier, activator]) expect(ingress, podOf(fn.name), port, true, `Knative to ${fn.name} ${port}`)
      const others: [string, End][] = [
        ['outside', { address: '203.0.113.7' }],
        ['another namespace', pod('default')],
        ['who watches', pod('monitoring')],
        ['another pod of Knative', pod('knative-serving', { app: 'webhook' })],
        ...functions.map(({ name }): [string, End] => [name, podOf(name)]),
      ]
      for (const [name, other] of others) expect(other, podOf(fn.name), port, false, `${name} to ${fn.name} ${port}`)
    }
    expect(kourier, podOf(fn.name), 8080, false, `Kourier past the queue-proxy of ${fn.name}`)
  }
  for (const [kind, ends] of Object.entries(stores).filter(([name]) => !['functions', 'internet'].includes(name))) {
    for (const [end, port] of ends) {
      expect(migration, end, port, kind === 'postgres', `the migration to ${kind}`)
      for (const namespace of ['default', 'monitoring', 'kourier-system', 'tidemark-data-copy'])
        expect(pod(namespace, { 'tidemark.dev/uses-postgres': 'true' }), end, port, false, `${namespace} to ${kind}`)
      expect({ address: '203.0.113.7' }, end, port, false, `outside to ${kind}`)
    }
  }
  return found
}

test('a function reaches what it says it uses, and nothing else; it is reached by the ingress and the activator alone', () => {
  assert.deepEqual(faults(cluster), [])
  assert.ok(functions.some(fn => declaredUses(fn).has('internet')) && functions.some(fn => declaredUses(fn).has('kafka')))
})

/** What is for every function, and what is closed for those that have no policy of their own. */
const askedBelow = /^(names|to-traces|to-identity|from-monitoring|metrics|alerts-to-broker|default-deny)$/

/** A function's way out and a store's way in are both closed, so what one opens the other may hide: each is looked at alone. */
const eachSide = (all: readonly NetworkPolicy[]): string[][] =>
  [true, false].map(out => faults({ policies: all.filter(({ metadata }) => (metadata.namespace === 'tidemark') === out) }))

test('a policy that is widened is found out, whichever it is', () => {
  for (const [index, policy] of policies().entries()) {
    if (askedBelow.test(policy.metadata.name)) continue
    const wide = policies()
    const spec = wide[index]?.spec as NetworkPolicy['spec']
    if (spec.ingress) spec.ingress = [{}]
    else spec.podSelector = {}
    assert.notDeepEqual(eachSide(wide), eachSide(policies()), `${policy.metadata.name} can be widened and nobody sees it`)
  }
})

test('a door that is missing is found out, whichever it is', () => {
  for (const { metadata } of policies().filter(({ metadata }) => /^(uses-|from-knative$)/.test(metadata.name))) {
    const without = policies().filter(policy => policy.metadata.name !== metadata.name)
    assert.ok(faults({ policies: without }).length > 0, metadata.name)
  }
})

test('what has no policy of its own is reached by nobody', () => {
  for (const namespace of ['tidemark', 'kafka', 'tidemark-data']) {
    const unknown = pod(namespace, { app: 'somebody-left-this-here' })
    for (const from of [podOf('outbox-relay'), pod('default'), pod(namespace), kourier]) {
      assert.equal(isAllowed(cluster, from, unknown, 8080), false, namespace)
    }
    const open = policies().filter(({ metadata }) => metadata.name !== 'default-deny' || metadata.namespace !== namespace)
    assert.equal(isAllowed({ policies: open }, pod('default'), unknown, 8080), true, 'the test can fail')
  }
})

test('stores do their own work: replication, their operators, and the dispatcher of events', () => {
  const form = pod('tidemark-data', { 'app.kubernetes.io/name': 'redis-form' })
  const allowed: [End, End, number][] = [
    [postgres, postgres, 5432],
    [postgres, postgres, 8000],
    [pooler, postgres, 5432],
    [registry, postgres, 5432],
    [pod('cnpg-system'), postgres, 8000],
    [redis, redis, 6379],
    [redis, redis, 16379],
    [form, redis, 6379],
    [pod('knative-eventing', { app: 'kafka-source-dispatcher' }), kafka, 9092],
    [pod('knative-eventing', { app: 'kafka-controller' }), kafka, 9092],
    [pod('monitoring'), postgres, 9187],
    [pod('monitoring'), kafka, 9404],
  ]
  for (const [from, to, port] of allowed) assert.ok(isAllowed(cluster, from, to, port), JSON.stringify([from, to, port]))
  const refused: [End, End, number][] = [
    [redis, postgres, 5432],
    [registry, redis, 6379],
    [postgres, redis, 6379],
    [pod('knative-eventing', { app: 'eventing-webhook' }), kafka, 9092],
    [podOf('inventory'), postgres, 8000],
    [podOf('gateway'), redis, 16379],
  ]
  for (const [from, to, port] of refused) assert.ok(!isAllowed(cluster, from, to, port), JSON.stringify([from, to, port]))
})

test('everybody can ask for names, and every function tells its metrics to those who watch', () => {
  const dns = pod('kube-system', { 'k8s-app': 'kube-dns' })
  for (const { name } of functions) {
    assert.ok(isAllowed(cluster, podOf(name), dns, 53, 'UDP') && isAllowed(cluster, podOf(name), dns, 53))
    for (const port of [9464, 9090, 9091]) assert.ok(isAllowed(cluster, pod('monitoring'), podOf(name), port))
    assert.ok(isAllowed(cluster, pod('knative-serving', { app: 'autoscaler' }), podOf(name), 9090))
    assert.ok(!isAllowed(cluster, pod('default'), podOf(name), 9464))
  }
})

test('only the function that offers alerts reaches the Broker', () => {
  const broker = pod('knative-eventing', { app: 'kafka-broker-receiver' })
  const reaching = functions.filter(({ name }) => isAllowed(cluster, podOf(name), broker, 8080)).map(({ name }) => name)
  assert.deepEqual(
    reaching,
    functions.filter(({ config }) => Object.hasOwn(config.shape, 'ALERTS_BROKER_URL')).map(({ name }) => name),
  )
})
