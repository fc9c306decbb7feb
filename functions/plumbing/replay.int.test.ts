import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import { createTopics, type Started, serviceUrls, startFunction, topicPrefix } from '../../test/environment.ts'
import { deadLettersIn } from './dead-letters.ts'
import type { ListedLetter } from './newest-dead-letters.ts'

interface Replay {
  results: {
    partition: number
    offset: string
    id: string
    destination: string
    result: string
    status?: number
    error?: string
  }[]
  counts: Record<string, number>
  left: number
}
interface Delivered {
  path: string
  headers: IncomingHttpHeaders
  body: Buffer
}

/** The functions of the system as the replay reaches them: `/NAME/`. What each answers, 204 unless a test says otherwise. */
const answers = new Map<string, number | ((event: Delivered) => number | Promise<number>)>()
const delivered: Delivered[] = []
const functions = createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray())
  const event = { path: request.url ?? '', headers: request.headers, body }
  delivered.push(event)
  const answer = answers.get(event.path.split('/')[1] ?? '') ?? 204
  response.writeHead(typeof answer === 'number' ? answer : await answer(event)).end()
})

const topic = `${topicPrefix()}dead-letters`
let started: Started
before(async () => {
  await createTopics([topic])
  await new Promise<void>(resolve => functions.listen(0, '127.0.0.1', resolve))
  started = await startFunction(deadLettersIn(topic), {
    KAFKA_BROKERS: serviceUrls().kafka,
    FUNCTION_URL: `http://127.0.0.1:${(functions.address() as AddressInfo).port}/{name}`,
  })
})
after(async () => {
  await started.stop()
  functions.closeAllConnections()
  functions.close()
})
beforeEach(() => {
  answers.clear()
  delivered.length = 0
})

const address = 'http://payments-charge.tidemark.svc.cluster.local'
const bytes = new Uint8Array([0, 0, 0, 0, 9, 200])

/** An undeliverable event as a KafkaSource sends it here. @returns its id */
async function bury(source: string, headers: Record<string, string> = {}): Promise<string> {
  const id = randomUUID()
  const answer = await fetch(started.url, {
    method: 'POST',
    headers: {
      'ce-specversion': '1.0',
      'ce-id': id,
      'ce-type': 'tidemark.order.placed.v1',
      'ce-source': source,
      'ce-subject': id,
      'ce-partitionkey': id,
      'ce-knativekafkaoffset': '41',
      'ce-knativekafkapartition': '3',
      'ce-knativeerrordest': address,
      'ce-knativeerrorcode': '422',
      'ce-knativeerrordata': 'no',
      'content-type': 'application/avro',
      ...headers,
    },
    body: bytes,
  })
  assert.equal(answer.status, 204)
  return id
}

async function replay(body: unknown, key?: string): Promise<Replay> {
  const answer = await started.request<Replay>('POST /v1/dead-letters/replay', { body, ...(key && { key }) })
  assert.equal(answer.status, 200, JSON.stringify(answer.body))
  return answer.body
}

async function list(query = ''): Promise<ListedLetter[]> {
  const { status, body } = await started.request<{ items: ListedLetter[] }>(`GET /v1/dead-letters?limit=1000${query}`)
  assert.equal(status, 200)
  return body.items
}
const listed = async (id: string): Promise<ListedLetter> => {
  const letter = (await list()).find(each => each.id === id)
  assert.ok(letter)
  return letter
}

test('a letter is delivered to the function that now takes it, as the event it was, and listed as replayed', async () => {
  const id = await bury('/test/once', { 'ce-traceparent': '00-a-b-01' })
  const { partition, offset, replayedAt } = await listed(id)
  assert.equal(replayedAt, null)

  const { results, counts } = await replay({ letters: [{ partition, offset }] })
  assert.deepEqual(results, [{ partition, offset, id, destination: address, result: 'delivered', status: 204 }])
  assert.equal(counts.delivered, 1)

  assert.equal(delivered.length, 1)
  const [{ path, headers, body }] = delivered as [Delivered]
  assert.equal(path, '/payments-charge/')
  assert.deepEqual(body, Buffer.from(bytes))
  assert.deepEqual(Object.fromEntries(Object.entries(headers).filter(([name]) => /^(ce-|content-type)/.test(name))), {
    'ce-specversion': '1.0',
    'ce-id': id,
    'ce-type': 'tidemark.order.placed.v1',
    'ce-source': '/test/once',
    'ce-subject': id,
    'ce-partitionkey': id,
    'ce-traceparent': '00-a-b-01',
    'content-type': 'application/avro',
  })
  assert.ok(Math.abs(Date.now() - Date.parse((await listed(id)).replayedAt as string)) < 10_000)
})

test('what was replayed is pending no longer, and what notes it is not listed', async () => {
  const source = '/test/pending'
  const ids = [await bury(source), await bury(source), await bury(source)]
  const before = (await list()).length
  const { results, left } = await replay({ where: { source }, limit: 2 })
  assert.deepEqual(
    results.map(({ id, result }) => [id, result]),
    [
      [ids[0], 'delivered'],
      [ids[1], 'delivered'],
    ],
    'the oldest first',
  )
  assert.equal(left, 1)
  assert.equal((await list()).length, before)
  const pending = (await list('&pending=true')).filter(letter => letter.source === source)
  assert.deepEqual(
    pending.map(({ id }) => id),
    [ids[2]],
  )
  assert.deepEqual(
    await started
      .request<{ items: ListedLetter[] }>('GET /v1/dead-letters?limit=1&pending=true')
      .then(({ body }) => body.items[0]?.id),
    ids[2],
  )

  assert.equal((await replay({ where: { source } })).counts.delivered, 1)
  const again = await replay({ where: { source } })
  assert.deepEqual(again.results, [])
  assert.equal(delivered.length, 3)
})

test('where takes only what fits: destination by its name, type and time', async () => {
  const source = '/test/where'
  await bury(source, { 'ce-type': 'tidemark.order.cancelled.v1' })
  await bury(source, { 'ce-knativeerrordest': 'orders-settle' })
  const fits = await bury(source)
  const found = await replay({ where: { source, destination: 'payments-charge', type: 'tidemark.order.placed.v1' } })
  assert.deepEqual(
    found.results.map(({ id }) => id),
    [fits],
  )
  await new Promise(resolve => setTimeout(resolve, 5))
  const since = new Date().toISOString()
  assert.deepEqual((await replay({ where: { source, since } })).results, [])
  const late = await bury(source)
  assert.deepEqual(
    (await replay({ where: { source, since } })).results.map(({ id }) => id),
    [late],
  )
})

test('a function that still refuses is told with its answer, and the letter stays pending', async () => {
  const source = '/test/refused'
  const id = await bury(source)
  answers.set('payments-charge', 422)
  const { results, counts } = await replay({ where: { source } })
  assert.deepEqual([results[0]?.result, results[0]?.status], ['refused', 422])
  assert.equal(counts.refused, 1)
  assert.equal((await listed(id)).replayedAt, null)
})

test('a function that is away leaves the letter pending, and what comes behind it does not overtake', async () => {
  const source = '/test/away'
  const same = { 'ce-partitionkey': 'order-1' }
  const first = await bury(source, same)
  const second = await bury(source, same)
  answers.set('payments-charge', 503)
  const { results } = await replay({ where: { source } })
  assert.deepEqual(
    results.map(({ id, result }) => [id, result]),
    [
      [first, 'unavailable'],
      [second, 'not_tried'],
    ],
  )
  assert.equal((await listed(first)).replayedAt, null)
  answers.clear()
  assert.equal((await replay({ where: { source } })).counts.delivered, 2)
})

test('letters of one entity go one after the other in their order, those of others at the same time', async () => {
  const source = '/test/order'
  const ids: Record<string, string[]> = { a: [], b: [], c: [] }
  for (let round = 0; round < 4; round++)
    for (const entity of Object.keys(ids)) ids[entity]?.push(await bury(source, { 'ce-partitionkey': entity }))
  const inFlight = new Map<string, number>()
  let most = 0
  answers.set('payments-charge', async ({ headers }) => {
    const entity = String(headers['ce-partitionkey'])
    inFlight.set(entity, (inFlight.get(entity) ?? 0) + 1)
    most = Math.max(most, [...inFlight.values()].filter(count => count > 0).length)
    assert.equal(inFlight.get(entity), 1)
    await new Promise(resolve => setTimeout(resolve, 30))
    inFlight.set(entity, 0)
    return 204
  })
  assert.equal((await replay({ where: { source } })).counts.delivered, 12)
  for (const [entity, expected] of Object.entries(ids)) {
    const order = delivered.filter(({ headers }) => headers['ce-partitionkey'] === entity).map(({ headers }) => headers['ce-id'])
    assert.deepEqual(order, expected)
  }
  assert.equal(most, 3)
})

test('a destination that is no function of ours that handles events is never called', async () => {
  const source = '/test/forged'
  const own = new URL(started.url)
  const forged = [
    `http://127.0.0.1:${(functions.address() as AddressInfo).port}/payments-charge/`,
    `http://payments-charge@127.0.0.1:${(functions.address() as AddressInfo).port}/`,
    'http://payments-charge.example.com/',
    'http://elsewhere.tidemark.svc.cluster.local',
    'http://gateway.tidemark.svc.cluster.local',
    'file:///etc/passwd',
    'constructor',
    '../payments-charge',
    own.host,
    '',
  ]
  for (const destination of forged) await bury(source, { 'ce-knativeerrordest': destination })
  const { results } = await replay({ where: { source } })
  assert.deepEqual(
    results.map(({ destination, result }) => [destination, result]),
    forged.map(destination => [destination, 'no_destination']),
  )
  assert.equal(delivered.length, 0)
})

test('a place without a letter is not found, nor is what the function wrote itself', async () => {
  const source = '/test/nowhere'
  const id = await bury(source)
  const { partition, offset } = await listed(id)
  await replay({ where: { source } })
  const letters = [
    { partition, offset: String(Number(offset) + 1) },
    { partition, offset: '999999' },
    { partition: 99, offset: '0' },
  ]
  const { results } = await replay({ letters })
  assert.deepEqual(
    results.map(({ result }) => result),
    ['not_found', 'not_found', 'not_found'],
  )
})

test('the same key is given the first answer again and delivers nothing; with another request it is refused', async () => {
  const source = '/test/key'
  await bury(source)
  const key = randomUUID()
  const body = { where: { source } }
  const first = await replay(body, key)
  await bury(source)
  assert.deepEqual(await replay(body, key), first)
  assert.equal(delivered.length, 1)
  const other = await started.request('POST /v1/dead-letters/replay', { body: { ...body, limit: 7 }, key })
  assert.deepEqual([other.status, other.body.code], [422, 'idempotency_key_reused'])
})

test('a request names either letters or where, and needs the scope to write', async () => {
  const ask = (body: unknown, scopes?: string[]) =>
    started.request('POST /v1/dead-letters/replay', { body, ...(scopes && { scopes }) } as never)
  assert.equal((await ask({})).status, 422)
  assert.equal((await ask({ where: {}, letters: [{ partition: 0, offset: '0' }] })).status, 422)
  assert.equal((await ask({ where: {} }, ['ops:read'])).status, 403)
})

test('deliveries end before the deadline, and what was not begun by then is said', async () => {
  const source = '/test/late'
  for (let letter = 0; letter < 12; letter++) await bury(source)
  answers.set('payments-charge', async () => {
    await new Promise(resolve => setTimeout(resolve, 20_000).unref())
    return 204
  })
  const { status, body } = await started.request<Replay>('POST /v1/dead-letters/replay', {
    body: { where: { source } },
    headers: { 'tidemark-timeout': '3000' },
  })
  assert.equal(status, 200)
  assert.equal(body.counts.unavailable, 8)
  assert.equal(body.counts.not_tried, 4)
})
