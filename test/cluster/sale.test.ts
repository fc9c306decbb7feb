import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { findTool } from '../../deploy/kubectl.ts'
import type { Received } from '../../local/cluster/subscriber.ts'
import { run } from '../../local/services/run-command.ts'
import {
  call,
  drained,
  fromOutside,
  host,
  images,
  inNamespace,
  isReady,
  kubectl,
  namespace,
  pods,
  reconciled,
  services,
  until,
} from './cluster.ts'
import { knativeService } from './stand-in.ts'

const sku = `SALE-${randomUUID().slice(0, 8).toUpperCase()}`
/** A user's own function, which wants to know of alerts and of nothing else. */
const subscriber = { name: 'subscriber', host: `subscriber.${host.slice(host.indexOf('.') + 1)}` }

before(async () => {
  // Public, so that the test can ask it what came. Warm, for it remembers only while it lives.
  await inNamespace(
    ['apply', '-f', '-'],
    knativeService({ name: subscriber.name, image: images['tidemark-local'], min: 1, max: 1 }),
  )
  await inNamespace(['wait', '--for=condition=Ready', 'ksvc/subscriber', '--timeout=90s'])
  await subscribe(['type=tidemark.alert.raised.v1', 'location=main'])
  await inNamespace(['wait', '--for=condition=Ready', 'trigger/subscriber', '--timeout=90s'])
})
after(() => inNamespace(['delete', 'trigger/subscriber', 'ksvc/subscriber', '--ignore-not-found', '--wait=false']))

/** As docs/runbooks/deploy.md says it, where kn is there. */
async function subscribe(filters: readonly string[]): Promise<void> {
  const kn = findTool('kn')
  if (kn) {
    const filtering = filters.flatMap(filter => ['--filter', filter])
    await run(kn, [
      'trigger',
      'create',
      'subscriber',
      '-n',
      namespace,
      '--broker',
      'alerts',
      ...filtering,
      '--sink',
      'subscriber',
    ])
    return
  }
  const attributes = Object.fromEntries(filters.map(filter => filter.split('=')))
  const trigger = {
    apiVersion: 'eventing.knative.dev/v1',
    kind: 'Trigger',
    metadata: { name: 'subscriber', namespace },
    spec: {
      broker: 'alerts',
      filter: { attributes },
      subscriber: { ref: { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name: 'subscriber' } },
    },
  }
  await inNamespace(['apply', '-f', '-'], JSON.stringify(trigger))
}

const way = [
  'orders-place',
  'payments-charge',
  'orders-settle',
  'alerts-evaluate',
  'alerts-publish',
  'notifications-plan',
  'notifications-send',
]

test('a sale comes through the ingress, wakes what it needs by HTTP and by Kafka, and its alert reaches a person and a subscriber', async t => {
  await call('POST /v1/stock/receipts', { key: randomUUID(), body: { lines: [{ sku, quantity: 20 }] } })
  await call('PUT /v1/thresholds', { key: randomUUID(), body: { thresholds: [{ sku, level: 15 }] } })
  await drained()
  await until(
    'the functions on the way are asleep',
    120,
    () => awake(way),
    names => names.length === 0,
  )

  const asked = performance.now()
  const since = () => `${Math.round(performance.now() - asked)} ms`
  const placed = await call<{ id: string; state: string }>('POST /v1/orders', {
    key: randomUUID(),
    body: { lines: [{ sku, quantity: 6, unitPrice: 255 }], currency: 'GBP', payment: { token: 'tok_visa' } },
  })
  assert.equal(placed.status, 201, placed.text)
  t.diagnostic(`answered after ${since()}, with orders-place started for it`)
  await until(
    'the order is confirmed',
    60,
    async () => (await call<{ state: string }>(`GET /v1/orders/${placed.body.id}`)).body.state,
    state => state === 'confirmed',
  )
  t.diagnostic(`confirmed after ${since()}, with payments-charge and orders-settle started for it`)
  const alert = await until('an alert is raised', 60, async () => (await call<Listed>(`GET /v1/alerts?sku=${sku}`)).body.items[0])
  assert.deepEqual([alert?.available, alert?.threshold], [14, 15])
  await until(
    'a mail was sent',
    60,
    async () => (await call<Listed>(`GET /v1/notifications?alertId=${alert?.id}`)).body.items[0]?.state,
    state => state === 'sent',
  )
  assert.ok(
    (await (await fetch(`${services.ses}/moto-api/data.json`)).text()).includes(`Alert ${alert?.id}.`),
    'the provider has it',
  )
  t.diagnostic(`mailed after ${since()}`)
  const [told] = await until(
    'the subscriber was told',
    60,
    async () => (await told_()).filter(({ data }) => data.sku === sku),
    found => found.length > 0,
  )
  assert.deepEqual(
    [told?.attributes.type, told?.attributes.severity, told?.data.alertId, told?.data.available],
    ['tidemark.alert.raised.v1', 'low', alert?.id, 14],
  )

  await drained()
  assert.equal(await reconciled(), true)
  const stock = await call<{ onHand: number; reserved: number; available: number }>(`GET /v1/stock/${sku}/main`)
  assert.deepEqual([stock.body.onHand, stock.body.reserved, stock.body.available], [14, 0, 14])
})

test('a subscriber is told of nothing that its filter leaves out', async () => {
  await call('POST /v1/stock/receipts', { key: randomUUID(), body: { lines: [{ sku, quantity: 50 }] } })
  await until(
    'the alert is resolved',
    60,
    async () => (await call<Listed>(`GET /v1/alerts?sku=${sku}`)).body.items[0]?.state,
    state => state === 'resolved',
  )
  await drained()
  await new Promise(resolve => setTimeout(resolve, 3_000))
  const types = new Set((await told_()).map(({ attributes }) => attributes.type))
  assert.deepEqual([...types], ['tidemark.alert.raised.v1'])
})

interface Listed {
  items: { id: string; state: string; available: number; threshold: number }[]
}

const told_ = async () =>
  (
    await fromOutside<(Received & { data: { sku: string; alertId: string; available: number } })[]>('GET /events', {
      host: subscriber.host,
    })
  ).body

async function awake(names: readonly string[]): Promise<string[]> {
  const counted = await Promise.all(names.map(async name => ({ name, ready: (await pods(name)).some(isReady) })))
  return counted.filter(({ ready }) => ready).map(({ name }) => name)
}

test('functions by name: kn creates any of them from the one image', { skip: !findTool('kn') }, async () => {
  const kn = findTool('kn') as string
  // Elsewhere than its namesake of the system: the name chooses the function, and the environment can bring its settings.
  const space = `${namespace}-kn`
  await kubectl.run(['create', 'namespace', space])
  try {
    const secret = await kubectl.get<{ data: Record<string, string> }>(['secret', 'orders-database', '-n', namespace])
    const url = Buffer.from(secret?.data.ORDERS_DATABASE_URL ?? '', 'base64').toString()
    const issuer = `http://issuer.${namespace}.svc.cluster.local`
    await run(
      kn,
      [
        ...['service', 'create', 'orders-read', '--namespace', space, '--image', images.tidemark, '--wait-timeout', '90'],
        ...['--env', `ORDERS_DATABASE_URL=${url}`, '--env', `JWKS_URL=${issuer}/.well-known/jwks.json`],
        ...['--env', 'TOKEN_ISSUER=urn:tidemark:development-issuer'],
      ],
      { timeoutMs: 120_000 },
    )
    const domain = host.replace(/^gateway\.[^.]+\./, '')
    const answer = await fromOutside<{ code: string }>('GET /v1/orders', { host: `orders-read.${space}.${domain}` })
    assert.deepEqual([answer.status, answer.body.code], [401, 'unauthenticated'])
  } finally {
    await kubectl.run(['delete', 'namespace', space, '--wait=false'])
  }
})
