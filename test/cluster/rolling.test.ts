import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { findTool } from '../../deploy/kubectl.ts'
import { podTroubles } from '../../deploy/pod-troubles.ts'
import type { KnativeService } from '../../deploy/readiness.ts'
import { run } from '../../local/services/run-command.ts'
import { call, drained, inNamespace, isReady, kubectl, metric, namespace, pods, reconciled, until } from './cluster.ts'
import { shopping } from './shopping.ts'

const sku = `ROLL-${randomUUID().slice(0, 8).toUpperCase()}`

before(async () => {
  await call('POST /v1/stock/receipts', { key: randomUUID(), body: { lines: [{ sku, quantity: 100_000 }] } })
})
after(() => setTraffic('gateway', null))

const serviceOf = async (name: string): Promise<KnativeService> =>
  (await kubectl.get<KnativeService>(['ksvc', name, '-n', namespace])) as KnativeService

/** A new revision, as a new image brings one. */
const patchTemplate = (name: string, template: object): Promise<string> =>
  inNamespace(['patch', `ksvc/${name}`, '--type=merge', '-p', JSON.stringify({ spec: { template } })])
const newRevision = (name: string) => patchTemplate(name, { metadata: { annotations: { 'tidemark.dev/rolled': randomUUID() } } })

/** What `kn service update --traffic` writes. */
async function setTraffic(name: string, traffic: readonly object[] | null): Promise<void> {
  await inNamespace(['patch', `ksvc/${name}`, '--type=merge', '-p', JSON.stringify({ spec: { traffic } })])
}

/** All traffic at the newest revision, and no pod of an earlier one is left. */
async function rolledOver(name: string, from: string): Promise<void> {
  await until(`${name} runs its new revision`, 200, async () => {
    const { status } = await serviceOf(name)
    const left =
      (await kubectl.get<{ items: unknown[] }>(['pods', '-n', namespace, '-l', `serving.knative.dev/revision=${from}`]))?.items ??
      []
    return (
      status?.latestReadyRevisionName !== from &&
      status?.latestReadyRevisionName === status?.latestCreatedRevisionName &&
      left.length === 0
    )
  })
}

test('inventory and the gateway are replaced under load without one failed request', async t => {
  const customers = shopping({ sku, perSecond: 25, seconds: 240 })
  try {
    const replaced = ['inventory', 'gateway'].map(async name => {
      const { status } = await serviceOf(name)
      await newRevision(name)
      await rolledOver(name, status?.latestReadyRevisionName as string)
    })
    await Promise.all(replaced)
    t.diagnostic(`${customers.served()} requests while both were replaced`)
  } finally {
    await customers.stop()
  }
  assert.deepEqual(customers.failed(), [])
  assert.ok(customers.served() > 100, String(customers.served()))
  await drained()
  assert.equal(await reconciled(), true)
})

test('a revision that cannot start never takes traffic: the one before goes on serving', async () => {
  const { status: before, spec } = await serviceOf('inventory')
  const [container] = (spec as never as { template: { spec: { containers: { args: string[] }[] } } }).template.spec.containers
  const customers = shopping({ sku, perSecond: 10, seconds: 120, orders: false })
  let bad: string | undefined
  try {
    await patchTemplate('inventory', { spec: { containers: [{ ...container, args: ['no-such-function'] }] } })
    bad = await until(
      'the bad revision is tried',
      60,
      async () => (await serviceOf('inventory')).status?.latestCreatedRevisionName,
      name => name !== before?.latestReadyRevisionName,
    )
    const pod = await until(
      'it was started again and again',
      90,
      async () => (await pods('inventory')).find(({ metadata }) => metadata.labels['serving.knative.dev/revision'] === bad),
      found => (found?.status.containerStatuses?.find(({ name }) => name === 'user-container')?.restartCount ?? 0) >= 2,
    )
    const { status } = await serviceOf('inventory')
    assert.deepEqual([status?.latestCreatedRevisionName, status?.latestReadyRevisionName], [bad, before?.latestReadyRevisionName])
    assert.notEqual(status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True')
    // Asked again, as a deployment does: for a moment after an end a container says neither that it waits nor how it ended.
    await until(
      'who deploys is told why',
      60,
      () => podTroubles(kubectl, namespace),
      troubles =>
        troubles.some(({ name, reason }) => name === 'inventory' && /Which function\? There is no no-such-function/.test(reason)),
    )
    assert.ok(pod && !isReady(pod))
  } finally {
    await customers.stop()
    await patchTemplate('inventory', { spec: { containers: [container] } })
  }
  assert.deepEqual(customers.failed(), [])
  await until('the next good revision serves', 120, async () => {
    const { status } = await serviceOf('inventory')
    return status?.latestReadyRevisionName === status?.latestCreatedRevisionName && status?.latestReadyRevisionName !== bad
  })
  // Knative would start it again and again until its deadline.
  await inNamespace(['delete', `revision/${bad}`, '--wait=false'])
})

test('a canary gets its share and no more, and kn takes everything back to the revision before', async t => {
  const stable = (await serviceOf('gateway')).status?.latestReadyRevisionName as string
  // Pinned first: a new revision then starts without traffic.
  await setTraffic('gateway', [{ revisionName: stable, percent: 100 }])
  await newRevision('gateway')
  const canary = await until(
    'the canary is ready',
    120,
    async () => (await serviceOf('gateway')).status?.latestReadyRevisionName,
    name => name !== stable,
  )
  await setTraffic('gateway', [
    { revisionName: stable, percent: 80 },
    { revisionName: canary, percent: 20, tag: 'canary' },
  ])
  await ready('gateway')
  const customers = shopping({ sku, perSecond: 40, seconds: 15, orders: false })
  await new Promise(resolve => setTimeout(resolve, 12_000))
  await customers.stop()
  assert.deepEqual(customers.failed(), [])
  const [asked, all] = [await requestsOf(canary as string), customers.served()]
  t.diagnostic(`${asked} of ${all} requests went to the canary`)
  // 20 % of several hundred, by chance: far outside of five standard deviations is another share.
  assert.ok(Math.abs(asked - 0.2 * all) < 5 * Math.sqrt(0.2 * 0.8 * all) + 5, `${asked} of ${all}`)

  const kn = findTool('kn')
  if (kn)
    await run(kn, ['service', 'update', 'gateway', '-n', namespace, '--traffic', `${stable}=100`, '--untag', 'canary'], {
      timeoutMs: 120_000,
    })
  else await setTraffic('gateway', [{ revisionName: stable, percent: 100 }])
  await ready('gateway')
  const before = await requestsOf(canary as string)
  for (let count = 0; count < 30; count++) assert.equal((await call(`GET /v1/stock/${sku}/main`)).status, 200)
  assert.equal((await requestsOf(canary as string)) - before, 0)
})

const ready = async (name: string): Promise<unknown> => {
  await inNamespace(['wait', '--for=condition=Ready', `ksvc/${name}`, '--timeout=60s'])
  // The ingress takes the new shares a moment after the API has them.
  return new Promise(resolve => setTimeout(resolve, 3_000))
}

/** Stock that a revision of the gateway was asked for, by its own count. */
async function requestsOf(revision: string): Promise<number> {
  const running = (await pods('gateway')).filter(({ metadata }) => metadata.labels['serving.knative.dev/revision'] === revision)
  const counts = await Promise.all(
    running.map(({ metadata }) => metric(metadata.name, 'tidemark_request_duration_seconds_count', { operation: 'stock-read' })),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}
