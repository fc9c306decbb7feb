import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { call, drained, inNamespace, isReady, kubectl, metric, namespace, pods, reconciled, sumOf, until } from './cluster.ts'
import { orderOf } from './shopping.ts'

const sku = `SCALE-${randomUUID().slice(0, 8).toUpperCase()}`
const knative = 'knative-serving'

let switchedOn = false

/** The autoscaler tells its numbers to Prometheus only where that is switched on, as knative/platform/knative does. */
before(async () => {
  await call('POST /v1/stock/receipts', { key: randomUUID(), body: { lines: [{ sku, quantity: 1_000_000 }] } })
  if (await tells()) return
  switchedOn = true
  await setMetrics('prometheus')
  await until('the autoscaler tells its numbers', 60, tells)
})
after(async () => {
  if (switchedOn) await setMetrics(null)
})

const tells = (): Promise<boolean> => autoscaler().then(Boolean, () => false)

/** Read by the autoscaler when it starts. */
async function setMetrics(protocol: string | null): Promise<void> {
  const data = { 'metrics-protocol': protocol }
  await kubectl.run(['patch', 'configmap/config-observability', '-n', knative, '--type=merge', '-p', JSON.stringify({ data })])
  await kubectl.run(['rollout', 'restart', 'deployment/autoscaler', '-n', knative])
  await kubectl.run(['rollout', 'status', 'deployment/autoscaler', '-n', knative, '--timeout=100s'], { timeout: 110_000 })
}

async function autoscaler(): Promise<string> {
  const list = await kubectl.get<{ items: { metadata: { name: string; deletionTimestamp?: string } }[] }>([
    ...['pods', '-n', knative, '-l', 'app=autoscaler'],
  ])
  const pod = list?.items.find(({ metadata }) => !metadata.deletionTimestamp)?.metadata.name
  return kubectl.run(['get', '--raw', `/api/v1/namespaces/${knative}/pods/${pod}:9090/proxy/metrics`])
}

/** What the autoscaler publishes of orders-place in this namespace. */
const published = async (name: string): Promise<number> =>
  sumOf(await autoscaler(), name, { k8s_namespace_name: namespace, kn_configuration_name: 'orders-place' })

test('a load on orders-place scales it out, Knative’s numbers and our own show it, and it goes back to zero', async t => {
  let stopped = false
  let placed = 0
  let again = 0
  const refused: string[] = []
  /** Whoever is told that it took too long asks for the same order again, as any client should. */
  const order = async () => {
    const key = randomUUID()
    for (let tries = 1; ; tries++) {
      const { status, text } = await call('POST /v1/orders', { key, body: orderOf(sku) })
      if (status === 201 || status === 202) return void placed++
      if ((status !== 503 && status !== 504) || tries === 5) return void refused.push(`${status} ${text.slice(0, 100)}`)
      again++
      await new Promise(resolve => setTimeout(resolve, 1_000))
    }
  }
  const customers = Array.from({ length: 150 }, async () => {
    for (const end = Date.now() + 90_000; !stopped && Date.now() < end; ) await order()
  })
  const most = { pods: 0, desired: 0, concurrency: 0 }
  try {
    await until('it has more than one pod', 80, async () => {
      const running = (await pods('orders-place')).filter(isReady)
      most.pods = Math.max(most.pods, running.length)
      most.desired = Math.max(most.desired, await published('kn_revision_pods_desired'))
      most.concurrency = Math.max(most.concurrency, await published('kn_revision_concurrency_stable'))
      return (
        most.pods > 1 &&
        most.desired > 1 &&
        running.length > 1 &&
        (await Promise.all(running.map(own))).filter(count => count > 0).length > 1
      )
    })
  } finally {
    stopped = true
    await Promise.all(customers)
  }
  t.diagnostic(
    `at most ${most.pods} pods at once, ${most.desired} desired at a concurrency of ${most.concurrency}; ${placed} orders placed, ${again} of them asked for again`,
  )
  assert.deepEqual(refused, [])
  assert.ok(placed > 0)
  assert.ok(again <= placed / 20, `${again} of ${placed} orders were not answered in time`)
  await until(
    'it is at zero pods again',
    120,
    async () => (await pods('orders-place')).length,
    count => count === 0,
  )
  assert.equal(await published('kn_revision_pods_desired'), 0)
  await drained(180)
  assert.equal(await reconciled(), true)
})

/** Orders that a pod says it has answered. */
const own = ({ metadata }: { metadata: { name: string } }): Promise<number> =>
  metric(metadata.name, 'tidemark_request_duration_seconds_count', { operation: 'orders-place' }).catch(() => 0)

test('what the autoscaler decided can be read from Kubernetes too', async () => {
  const list = await kubectl.get<{
    items: { metadata: { name: string }; status: { desiredScale?: number; actualScale?: number } }[]
  }>([...['podautoscalers.autoscaling.internal.knative.dev', '-n', namespace, '-l', 'serving.knative.dev/service=orders-place']])
  assert.ok((list?.items.length ?? 0) > 0)
  for (const { status } of list?.items ?? []) assert.equal(status.desiredScale, 0)
  assert.match(await inNamespace(['get', 'ksvc', 'orders-place']), /True/)
})
