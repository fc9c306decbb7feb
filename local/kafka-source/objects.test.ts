import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ApiServer, listObjects } from './kubernetes.ts'
import { type KafkaSourceObject, kafkaSourcesPath, servedSource, serveObjects, sinkAddress } from './objects.ts'

let objects: KafkaSourceObject[]
let broken: boolean
let api: Server
let server: ApiServer
let token: string
const dispatchers: string[] = []
const said: string[] = []
let serving: ReturnType<typeof serveObjects> | undefined

/** As much of an API server as is asked: it lists, and only for the token of the moment. */
beforeEach(async () => {
  objects = []
  broken = false
  token = 'first'
  dispatchers.length = said.length = 0
  api = createServer((request, response) => {
    const allowed = request.headers.authorization === `Bearer ${token}`
    const known = request.url === kafkaSourcesPath('shop')
    response.statusCode = broken ? 500 : !allowed ? 401 : !known ? 404 : 200
    response.end(JSON.stringify({ kind: 'KafkaSourceList', items: objects }))
  })
  await new Promise<void>(resolve => api.listen(0, '127.0.0.1', resolve))
  const { port } = api.address() as AddressInfo
  server = { url: `http://127.0.0.1:${port}`, namespace: 'shop', token: () => token }
})
afterEach(async () => {
  await serving?.stop()
  serving = undefined
  api.closeAllConnections()
  await new Promise(resolve => api.close(resolve))
})

const object = (name: string, generation = 1, fields: Partial<KafkaSourceObject['spec']> = {}): KafkaSourceObject => ({
  metadata: { name, namespace: 'shop', uid: `uid-of-${name}`, generation },
  spec: {
    consumerGroup: `tidemark.${name}`,
    bootstrapServers: ['kafka-1:9092', 'kafka-2:9092'],
    topics: ['orders'],
    sink: { ref: { kind: 'Service', name } },
    ...fields,
  },
})

function serve() {
  serving = serveObjects({
    list: () => listObjects<KafkaSourceObject>(server, kafkaSourcesPath(server.namespace), 1_000),
    start(given) {
      const { name, generation } = given.metadata
      servedSource(given)
      dispatchers.push(`${name} ${generation} started`)
      return { stop: async () => void dispatchers.push(`${name} ${generation} stopped`) }
    },
    every: 10,
    say: line => said.push(line),
  })
  return serving
}

async function until(reached: () => boolean): Promise<void> {
  for (let waited = 0; !reached(); waited += 5) {
    assert.ok(waited < 5_000, `not reached; dispatchers: ${dispatchers.join()}; said: ${said.join()}`)
    await sleep(5)
  }
}

test('a source is served from when it is made until it is deleted, and anew when it is changed', async () => {
  objects = [object('charge'), object('settle')]
  const { ready } = serve()
  await until(() => dispatchers.length === 2)
  await until(ready)
  objects = [object('charge'), object('settle', 2)]
  await until(() => dispatchers.includes('settle 2 started'))
  assert.deepEqual(dispatchers.slice(2), ['settle 1 stopped', 'settle 2 started'], 'the other one is left alone')
  objects = [object('settle', 2)]
  await until(() => dispatchers.includes('charge 1 stopped'))
  await serving?.stop()
  assert.equal(dispatchers.at(-1), 'settle 2 stopped')
  assert.equal(ready(), false)
})

test('one that is being deleted is served no longer, and one of the same name made later is another', async () => {
  objects = [object('charge')]
  serve()
  await until(() => dispatchers.length === 1)
  objects = [{ ...object('charge'), metadata: { ...object('charge').metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }]
  await until(() => dispatchers.includes('charge 1 stopped'))
  objects = [{ ...object('charge'), metadata: { ...object('charge').metadata, uid: 'another' } }]
  await until(() => dispatchers.length === 3)
})

test('while the API does not answer, what is known is served on, and the trouble is said once', async () => {
  objects = [object('charge')]
  serve()
  await until(() => dispatchers.length === 1)
  broken = true
  await until(() => said.some(line => line.includes('answered 500')))
  await sleep(60)
  assert.equal(said.filter(line => line.includes('answered 500')).length, 1)
  assert.deepEqual(dispatchers, ['charge 1 started'])
  broken = false
  objects = [object('charge'), object('settle')]
  await until(() => dispatchers.includes('settle 1 started'))
})

test('nothing is ready before the sources are known', async () => {
  broken = true
  const { ready } = serve()
  await until(() => said.length === 1)
  assert.equal(ready(), false)
})

test('a token that was replaced is used from then on', async () => {
  objects = [object('charge')]
  assert.equal((await listObjects(server, kafkaSourcesPath('shop'), 1_000)).length, 1)
  token = 'second'
  assert.equal((await listObjects(server, kafkaSourcesPath('shop'), 1_000)).length, 1)
  await assert.rejects(listObjects({ ...server, token: () => 'first' }, kafkaSourcesPath('shop'), 1_000), /answered 401/)
})

test('an API server that hangs is given up', async () => {
  api.removeAllListeners('request')
  await assert.rejects(listObjects(server, kafkaSourcesPath('shop'), 50), /aborted|timeout/i)
})

test('a source that cannot be served is named, and does not hinder the others', async () => {
  objects = [object('secure', 1, { net: { sasl: { enable: true } } }), object('charge')]
  serve()
  await until(() => dispatchers.includes('charge 1 started'))
  assert.ok(said.some(line => line.startsWith('secure: not served') && line.includes('SASL')))
})

test('sinks are where Knative puts services and brokers', () => {
  const ref = (kind: string, namespace?: string) => ({ ref: { kind, name: 'alerts', ...(namespace && { namespace }) } })
  assert.equal(sinkAddress(ref('Service'), 'shop'), 'http://alerts.shop.svc.cluster.local')
  assert.equal(sinkAddress(ref('Service', 'other'), 'shop'), 'http://alerts.other.svc.cluster.local')
  assert.equal(sinkAddress(ref('Broker'), 'shop'), 'http://broker-ingress.knative-eventing.svc.cluster.local/shop/alerts')
  assert.equal(sinkAddress({ ...ref('Service'), uri: 'events' }, 'shop'), 'http://alerts.shop.svc.cluster.local/events')
  assert.equal(sinkAddress({ uri: 'http://elsewhere:8080/in' }, 'shop'), 'http://elsewhere:8080/in')
  assert.throws(() => sinkAddress({}, 'shop'), /neither ref nor uri/)
})

test('retries come with a source that says nothing of delivery, and are none where delivery does not name them', () => {
  assert.deepEqual(servedSource(object('charge')).spec.delivery, {
    retry: 10,
    backoffPolicy: 'exponential',
    backoffDelay: 'PT0.3S',
    timeout: 'PT600S',
  })
  const { initialOffset, ordering, delivery } = servedSource(object('charge', 1, { delivery: { timeout: 'PT5S' } })).spec
  assert.deepEqual([initialOffset, ordering, delivery.retry, delivery.timeout], ['latest', 'ordered', 0, 'PT5S'])
})
