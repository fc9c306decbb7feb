import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { afterEach, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { createTopics, kafka, serviceUrls, topicPrefix, until } from '../../test/environment.ts'
import type { Delivery } from './cloud-event.ts'
import type { SinkAnswer } from './deliver.ts'
import { type Dispatcher, type KafkaSource, startDispatcher } from './dispatcher.ts'

const ending: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

const taken: SinkAnswer = { status: 204, body: '' }
const sink = (name: string) => ({ ref: { kind: 'Service', name } }) as const

/** A topic of its own with `count` events on each partition: their ids are PARTITION-NUMBER. */
async function sourceOf(count: number, partitions: number, fields: Partial<KafkaSource['spec']> = {}): Promise<KafkaSource> {
  const topic = `${topicPrefix()}orders`
  await createTopics([topic], partitions)
  await add(topic, count, partitions)
  return {
    metadata: { name: 'orders-settle' },
    spec: {
      consumerGroup: `${topic}.group`,
      topics: [topic],
      initialOffset: 'earliest',
      ordering: 'ordered',
      delivery: {
        retry: 3,
        backoffPolicy: 'linear',
        backoffDelay: 'PT0.01S',
        timeout: 'PT5S',
        deadLetterSink: sink('dead-letters'),
      },
      sink: sink('orders-settle'),
      ...fields,
    },
  }
}

async function add(topic: string, count: number, partitions = 1): Promise<void> {
  const producer = kafka().producer()
  await producer.connect()
  const messages = Array.from({ length: count }, (_, index) =>
    Array.from({ length: partitions }, (_, partition) => ({
      partition,
      key: 'k',
      value: `event ${index}`,
      headers: { ce_specversion: '1.0', ce_id: `${partition}-${index}`, ce_type: 'tidemark.test.v1', ce_source: '/test' },
    })),
  )
  await producer.send({ topic, messages: messages.flat() })
  await producer.disconnect()
}

const idOf = ({ headers }: Delivery): string => headers['ce-id'] as string
const ids = (count: number, partitions = 1, from = 0): string[] =>
  Array.from({ length: partitions }, (_, partition) =>
    Array.from({ length: count - from }, (_, index) => `${partition}-${index + from}`),
  ).flat()

function dispatch(
  source: KafkaSource,
  send: (delivery: Delivery, sink: string) => Promise<SinkAnswer>,
  client: Kafka = kafka(),
): Dispatcher & { said: string[] } {
  const said: string[] = []
  const dispatcher = startDispatcher({
    source,
    kafka: client,
    addressOf: ({ ref }) => ref?.name ?? '',
    send: (name, delivery) => send(delivery, name),
    say: line => said.push(line),
  })
  ending.push(() => dispatcher.stop())
  return { ...dispatcher, said }
}

/** The next offset of each partition that the group will read after a restart; -1 where it has none. */
async function committed({ spec }: KafkaSource): Promise<number[]> {
  const admin = kafka().admin()
  await admin.connect()
  const [offsets] = await admin.fetchOffsets({ groupId: spec.consumerGroup, topics: [...spec.topics] })
  await admin.disconnect()
  return (offsets?.partitions ?? []).sort((a, b) => a.partition - b.partition).map(({ offset }) => Number(offset))
}

test('an ordered source has one event in flight a partition and keeps the order, also behind one that fails at first', async () => {
  const source = await sourceOf(20, 2)
  const inFlight = new Map<string, number>()
  const delivered: string[] = []
  const tries = new Map<string, number>()
  let most = 0
  let mostTogether = 0
  const { said } = dispatch(source, async delivery => {
    const id = idOf(delivery)
    const partition = delivery.headers['ce-knativekafkapartition'] as string
    tries.set(id, (tries.get(id) ?? 0) + 1)
    inFlight.set(partition, (inFlight.get(partition) ?? 0) + 1)
    most = Math.max(most, ...inFlight.values())
    mostTogether = Math.max(
      mostTogether,
      [...inFlight.values()].reduce((sum, count) => sum + count),
    )
    await wait(5)
    inFlight.set(partition, (inFlight.get(partition) ?? 0) - 1)
    if (id.endsWith('-0') && tries.get(id) !== 3) return { status: 503, body: 'not yet' }
    delivered.push(id)
    return taken
  })
  await until(
    'all are delivered',
    () => delivered.length,
    length => length === 40,
  )
  for (const partition of ['0', '1']) {
    assert.deepEqual(
      delivered.filter(id => id.startsWith(`${partition}-`)),
      ids(20).map(id => id.replace('0-', `${partition}-`)),
    )
  }
  assert.deepEqual([most, mostTogether], [1, 2], 'one a partition, both partitions at once')
  assert.deepEqual(said, [])
})

test('an unordered source has 30 events in flight, and its position does not pass the first that is not done', async () => {
  const source = await sourceOf(50, 1, { ordering: 'unordered' })
  const { promise: slow, resolve: finishSlow } = Promise.withResolvers<SinkAnswer>()
  const { promise: rest, resolve: finishRest } = Promise.withResolvers<SinkAnswer>()
  const begun: string[] = []
  const first = dispatch(source, delivery => {
    begun.push(idOf(delivery))
    return idOf(delivery) === '0-5' ? slow : rest
  })
  await until(
    'many are in flight',
    () => begun.length,
    length => length === 30,
  )
  await wait(100)
  assert.equal(begun.length, 30, 'and no more than these')
  finishRest(taken)
  await until(
    'the others go on',
    () => begun.length,
    length => length === 50,
  )
  await wait(50)
  const stopped = first.stop()
  finishSlow({ status: 503, body: '' })
  await stopped
  assert.deepEqual(await committed(source), [5])

  const again: string[] = []
  dispatch(source, async delivery => {
    again.push(idOf(delivery))
    return taken
  })
  await until(
    'the unfinished one and what stands behind it are delivered again',
    () => again.length,
    length => length === 45,
  )
  assert.deepEqual([...again].sort(), ids(50, 1, 5).sort())
})

test('a dispatcher that is stopped in the middle leaves the rest to the next one of its group: none is lost', async () => {
  for (const ordering of ['ordered', 'unordered'] as const) {
    const source = await sourceOf(60, 3, { ordering })
    const delivered: string[] = []
    const work = async (delivery: Delivery) => {
      await wait(3)
      delivered.push(idOf(delivery))
      return taken
    }
    const first = dispatch(source, work)
    await until(
      'some are delivered',
      () => delivered.length,
      length => length > 20,
    )
    await first.stop()
    const before = delivered.length
    await wait(50)
    assert.equal(delivered.length, before, 'what is stopped delivers nothing more')
    dispatch(source, work)
    await until(
      'all are delivered',
      () => new Set(delivered).size,
      size => size === 180,
    )
    assert.ok(delivered.length < before + 180, `${ordering}: what was done is not done again from the beginning`)
  }
})

test('events that come later are delivered without a new start', async () => {
  const source = await sourceOf(1, 1)
  const delivered: string[] = []
  dispatch(source, async delivery => {
    delivered.push(String(delivery.body))
    return taken
  })
  await until(
    'the first is there',
    () => delivered.length,
    length => length === 1,
  )
  await add(source.spec.topics[0] as string, 2)
  await until(
    'the others too',
    () => delivered.length,
    length => length === 3,
  )
})

test('an event that its function calls unusable goes to the dead letters, and the next one is delivered', async () => {
  const source = await sourceOf(3, 1)
  const delivered: string[] = []
  const buried: Delivery[] = []
  const { said } = dispatch(source, async (delivery, name) => {
    if (name === 'dead-letters') {
      buried.push(delivery)
      return taken
    }
    if (idOf(delivery) === '0-1') return { status: 422, body: '{"code":"invalid_input"}' }
    delivered.push(idOf(delivery))
    return taken
  })
  await until(
    'the others are delivered',
    () => delivered,
    list => list.length === 2,
  )
  assert.deepEqual(delivered, ['0-0', '0-2'])
  assert.equal(buried.length, 1)
  const { headers, body } = buried[0] as Delivery
  assert.deepEqual(
    [
      headers['ce-id'],
      headers['ce-knativeerrordest'],
      headers['ce-knativeerrorcode'],
      headers['ce-knativeerrordata'],
      String(body),
    ],
    ['0-1', 'orders-settle', '422', '{"code":"invalid_input"}', 'event 1'],
  )
  assert.deepEqual(said, ['orders-settle: event 0-1 was dead-lettered'])
})

test('connections to Kafka that are lost are made again, and every event is delivered', async () => {
  const source = await sourceOf(150, 3)
  const sockets = new Set<Socket>()
  const client = new Kafka({
    clientId: 'test',
    brokers: serviceUrls().kafka.split(','),
    logLevel: logLevel.NOTHING,
    socketFactory: ({ host, port, onConnect }) => {
      const socket = connect({ host, port }, onConnect)
      sockets.add(socket.on('close', () => sockets.delete(socket)))
      return socket
    },
  })
  const delivered: string[] = []
  dispatch(
    source,
    async delivery => {
      await wait(2)
      delivered.push(idOf(delivery))
      return taken
    },
    client,
  )
  for (const enough of [30, 200]) {
    await until(
      'it is at work',
      () => delivered.length,
      length => length > enough,
    )
    for (const socket of sockets) socket.destroy(new Error('read ECONNRESET'))
  }
  await until(
    'all are delivered',
    () => new Set(delivered).size,
    size => size === 450,
  )
  const topic = source.spec.topics[0] as string
  await add(topic, 1, 3)
  await until(
    'it goes on',
    () => delivered.filter(id => id.endsWith('-0')).length,
    length => length >= 6,
  )
})

test('dispatchers of one group share its partitions when one joins and when one leaves, and every event is delivered', async () => {
  const source = await sourceOf(600, 4)
  const delivered: { id: string; by: string }[] = []
  const worker = (by: string) => async (delivery: Delivery) => {
    await wait(10)
    delivered.push({ id: idOf(delivery), by })
    return taken
  }
  dispatch(source, worker('one'))
  await until(
    'one is at work',
    () => delivered.length,
    length => length > 20,
  )
  const second = dispatch(source, worker('two'))
  await until(
    'both are',
    () => delivered.filter(({ by }) => by === 'two').length,
    length => length > 5,
  )
  await second.stop()
  await until(
    'all are delivered',
    () => new Set(delivered.map(({ id }) => id)).size,
    size => size === 2_400,
  )
})
