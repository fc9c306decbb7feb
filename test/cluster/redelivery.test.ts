import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import postgres from 'postgres'
import { databaseUrl } from '../../local/settings.ts'
import { call, clusterUnderTest, drained, inNamespace, kubectl, namespace, reconciled, services, until } from './cluster.ts'
import { orderOf } from './shopping.ts'

const sku = `RETRY-${randomUUID().slice(0, 8).toUpperCase()}`
/** Two retries, so that the test need not wait for eight. */
const retry = 2
let payments: postgres.Sql
let declared: { delivery: { retry: number } }

interface Letter {
  partition: number
  offset: string
  id: string
  subject: string | null
  destination: string | null
  status: string | null
  replayedAt: string | null
}

const sourceSpec = async () =>
  (await kubectl.get<{ spec: typeof declared }>(['kafkasource', 'payments-charge', '-n', namespace]))?.spec as typeof declared
const setRetry = (count: number) =>
  inNamespace([
    ...['patch', 'kafkasource/payments-charge', '--type=merge'],
    ...['-p', JSON.stringify({ spec: { delivery: { ...declared.delivery, retry: count } } })],
  ])
const lettersOf = async (subject: string): Promise<Letter[]> =>
  (await call<{ items: Letter[] }>('GET /v1/dead-letters?limit=1000')).body.items.filter(letter => letter.subject === subject)
const stateOf = async (order: string) => (await call<{ state: string }>(`GET /v1/orders/${order}`)).body.state

before(async () => {
  payments = postgres(databaseUrl(services.postgres, 'payments'), { max: 1, onnotice: () => {} })
  await call('POST /v1/stock/receipts', { key: randomUUID(), body: { lines: [{ sku, quantity: 1_000 }] } })
  declared = await sourceSpec()
  await setRetry(retry)
  // Whoever delivers takes the change within seconds; the real dispatcher reads it from a mounted file.
  await new Promise(resolve => setTimeout(resolve, clusterUnderTest().cluster.dispatches ? 20_000 : 8_000))
})
after(async () => {
  await payments`alter table if exists payment_away rename to payment`
  await payments.end()
  await setRetry(declared.delivery.retry)
})

test('a function that fails is tried again as its source says, then the event is a dead letter, which can be listed and replayed', async () => {
  // Its table is away: the function answers 500, and the fault is nobody's but its own.
  await payments`alter table payment rename to payment_away`
  const placed = await call<{ id: string }>('POST /v1/orders', { key: randomUUID(), body: orderOf(sku) })
  assert.equal(placed.status, 201, placed.text)
  const order = placed.body.id
  const [letter] = await until(
    'the event is a dead letter',
    90,
    () => lettersOf(order),
    letters => letters.length > 0,
  )
  assert.equal((await triesOf(letter?.id ?? '')).length, 1 + retry)
  assert.match(letter?.destination ?? '', /payments-charge/)
  assert.deepEqual([letter?.status, letter?.replayedAt], ['500', null])
  assert.equal(await stateOf(order), 'placed')

  await payments`alter table payment_away rename to payment`
  const { partition, offset } = letter as Letter
  const replayed = await call<{ results: { result: string }[] }>('POST /v1/dead-letters/replay', {
    key: randomUUID(),
    body: { letters: [{ partition, offset }] },
  })
  assert.deepEqual(
    replayed.body.results?.map(({ result }) => result),
    ['delivered'],
    replayed.text,
  )
  await until(
    'the order is confirmed',
    60,
    () => stateOf(order),
    state => state === 'confirmed',
  )
  assert.notEqual((await lettersOf(order))[0]?.replayedAt, null)

  const again = await call<{ results: { result: string }[] }>('POST /v1/dead-letters/replay', {
    key: randomUUID(),
    body: { letters: [{ partition, offset }] },
  })
  assert.equal(again.status, 200, again.text)
  const charges = await payments`select 1 from payment where order_id = ${order}`
  assert.equal(charges.length, 1, 'what is delivered twice is charged once')
})

/** The function's own lines about an event: one for each time it was asked. */
async function triesOf(event: string): Promise<string[]> {
  const logs = await inNamespace([
    'logs',
    '-l',
    'serving.knative.dev/service=payments-charge',
    '-c',
    'user-container',
    '--tail=-1',
  ])
  return logs.split('\n').filter(line => line.includes(`"event":"${event}"`) && line.includes('"answered"'))
}

test('an event that can never be handled is a dead letter at once, and those behind it are not held up', async () => {
  const kafka = new Kafka({ clientId: 'test', brokers: services.kafka.split(','), logLevel: logLevel.NOTHING })
  const producer = kafka.producer()
  await producer.connect()
  const poison = randomUUID()
  const headers = {
    ...{ ce_specversion: '1.0', ce_id: poison, ce_type: 'tidemark.order.placed.v1', ce_source: '/tidemark/test' },
    ...{ ce_subject: poison, ce_partitionkey: poison, 'content-type': 'application/avro' },
  }
  await producer.send({ topic: 'orders', messages: [{ key: poison, headers, value: Buffer.from('not Avro') }] })
  await producer.disconnect()
  const letters = await until(
    'the event is a dead letter',
    60,
    () => lettersOf(poison),
    found => found.length > 0,
  )
  assert.ok(letters.some(({ destination, status }) => destination?.includes('payments-charge') && status === '422'))
  assert.equal((await triesOf(poison)).length, 1)
  const refused = await call<{ results: { result: string }[] }>('POST /v1/dead-letters/replay', {
    key: randomUUID(),
    body: { letters: letters.map(({ partition, offset }) => ({ partition, offset })) },
  })
  assert.ok(
    refused.body.results?.every(({ result }) => result === 'refused'),
    refused.text,
  )

  const placed = await call<{ id: string }>('POST /v1/orders', { key: randomUUID(), body: orderOf(sku) })
  await until(
    'an order after it is confirmed',
    60,
    () => stateOf(placed.body.id),
    state => state === 'confirmed',
  )
  await drained()
  assert.equal(await reconciled(), true)
})
