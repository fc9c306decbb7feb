import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { afterEach, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Cluster } from 'ioredis'
import { openRedis, type RedisClient } from '../../shared/data/redis.ts'
import type { Rejected } from '../../shared/errors.ts'
import { type CuttableConnection, cuttableConnection } from '../../test/cuttable-connection.ts'
import { serviceUrls, until } from '../../test/environment.ts'
import { startRedisCluster } from '../../test/redis-cluster.ts'
import { rateLimit } from './rate-limit.ts'

const ending: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

const isReady = (redis: RedisClient) =>
  until(
    'Redis is connected',
    () => [redis.status, ...(redis instanceof Cluster ? redis.nodes().map(({ status }) => status) : [])],
    statuses => statuses.every(status => status === 'ready'),
  )

/** A gateway's limit, and what one request of a client is answered. */
async function gateway(requests: number, seconds: number, url = serviceUrls().redis) {
  const redis = openRedis({ url, service: 'test' })
  ending.push(() => redis.disconnect())
  await isReady(redis)
  let limited = 0
  const limit = rateLimit({ redis, requests, seconds, limited: () => limited++ })
  return {
    redis,
    limited: () => limited,
    async ask(client: string) {
      const response = new ServerResponse(new IncomingMessage(new Socket()))
      const refusal = await limit.take(client, response).then(
        () => undefined,
        (error: Rejected) => error,
      )
      return { refusal, header: (name: string) => response.getHeader(name) as string | undefined }
    },
  }
}

type Gate = Awaited<ReturnType<typeof gateway>>

const before = async (): Promise<CuttableConnection> => {
  const { hostname, port } = new URL(serviceUrls().redis)
  const connection = await cuttableConnection({ host: hostname, port: Number(port) })
  ending.push(() => connection.close())
  return connection
}

test('every answer says what the limit is, what is left of it and when it begins again', async () => {
  const { ask } = await gateway(3, 60)
  const client = randomUUID()
  for (const left of [2, 1, 0]) {
    const { refusal, header } = await ask(client)
    assert.equal(refusal, undefined)
    assert.equal(header('ratelimit-policy'), '"client";q=3;w=60')
    assert.match(header('ratelimit') ?? '', new RegExp(`^"client";r=${left};t=(60|59)$`))
    assert.equal(header('retry-after'), undefined)
  }
})

test('who is over the limit is refused, and told when to come again', async () => {
  const { ask, limited } = await gateway(2, 60)
  const client = randomUUID()
  for (let count = 0; count < 2; count++) await ask(client)
  for (let count = 0; count < 3; count++) {
    const { refusal, header } = await ask(client)
    assert.equal(refusal?.code, 'rate_limited')
    const seconds = Number(header('retry-after'))
    assert.ok(seconds >= 58 && seconds <= 60, header('retry-after'))
    assert.equal(refusal?.details.retryAfter, seconds)
    assert.equal(header('ratelimit'), `"client";r=0;t=${seconds}`)
  }
  assert.equal(limited(), 3)
  assert.equal((await ask(randomUUID())).refusal, undefined, 'other clients are not touched')
})

test('when the window is over a client may ask again', async () => {
  const { ask } = await gateway(1, 1)
  const client = randomUUID()
  await ask(client)
  assert.equal((await ask(client)).refusal?.code, 'rate_limited')
  await wait(1_100)
  assert.equal((await ask(client)).refusal, undefined)
})

test('all gateways share one count', async () => {
  const [one, two] = await Promise.all([gateway(10, 60), gateway(10, 60)])
  const client = randomUUID()
  const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => (index % 2 ? one : two).ask(client)))
  assert.equal(answers.filter(({ refusal }) => !refusal).length, 10)
})

test('while Redis is away each gateway counts for itself and nobody is turned away for it; afterwards they share again', async () => {
  const connection = await before()
  const url = `redis://127.0.0.1:${connection.port}`
  const [one, two] = await Promise.all([gateway(5, 60, url), gateway(5, 60, url)])
  const client = randomUUID()
  for (let count = 0; count < 2; count++) await one.ask(client)

  connection.cut()
  await until(
    'the connection is lost',
    () => [one.redis.status, two.redis.status],
    statuses => !statuses.includes('ready'),
  )
  const began = performance.now()
  for (const gate of [one, two]) {
    for (let count = 0; count < 5; count++) {
      const { refusal, header } = await gate.ask(client)
      assert.equal(refusal, undefined)
      assert.match(header('ratelimit') ?? '', /^"client";r=\d;t=\d+$/)
    }
    assert.equal((await gate.ask(client)).refusal?.code, 'rate_limited', 'but not without any limit')
  }
  assert.ok(performance.now() - began < 500, 'nobody waits for Redis')

  connection.restore()
  await Promise.all([isReady(one.redis), isReady(two.redis)])
  const other = randomUUID()
  const answers = await Promise.all(Array.from({ length: 12 }, (_, index) => (index % 2 ? one : two).ask(other)))
  assert.equal(answers.filter(({ refusal }) => !refusal).length, 5)
})

test('a gateway that starts while Redis is away lets its callers in, and it is seen when Redis is there again', async () => {
  const connection = await before()
  connection.cut()
  const seen: boolean[] = []
  const redis = openRedis({ url: `redis://127.0.0.1:${connection.port}`, service: 'test', up: up => seen.push(up) })
  ending.push(() => redis.disconnect())
  const limit = rateLimit({ redis, requests: 5, seconds: 60, limited: () => {} })
  const response = new ServerResponse(new IncomingMessage(new Socket()))
  await limit.take(randomUUID(), response)
  assert.match(String(response.getHeader('ratelimit')), /r=4/)

  while (seen.at(-1) !== false) await new Promise(resolve => setTimeout(resolve, 5))
  connection.restore()
  await isReady(redis)
  assert.equal(seen.at(-1), true)
})

/** How many of twelve requests, sent by both at once, are let in: five when they count together, ten when each counts alone. */
async function admitted(gates: readonly [Gate, Gate], client: string): Promise<number> {
  const answers = await Promise.all(Array.from({ length: 12 }, (_, index) => (gates[index % 2] as Gate).ask(client)))
  for (const { refusal } of answers) assert.ok(!refusal || refusal.code === 'rate_limited', String(refusal))
  return answers.filter(({ refusal }) => !refusal).length
}

test('on a Redis Cluster all gateways share one count; a shard that is lost concerns its own clients, until a replica takes over', async () => {
  const cluster = await startRedisCluster()
  ending.push(() => cluster.stop())
  const gates = await Promise.all([gateway(5, 60, cluster.url), gateway(5, 60, cluster.url)])
  /** A client that nobody knows, counted on one of the nodes. */
  const clientOn = async (node: number): Promise<string> => {
    for (;;) {
      const client = randomUUID()
      if ((await cluster.holderOf(`tidemark:limit:${client}`)) === node) return client
    }
  }
  for (const node of [0, 1, 2]) assert.equal(await admitted(gates, await clientOn(node)), 5, `node ${node}`)

  const [known, lost] = await Promise.all([clientOn(1), clientOn(1)])
  assert.equal((await gates[0].ask(known)).refusal, undefined)
  await cluster.nodes[1]?.kill()
  const began = performance.now()
  assert.equal(await admitted(gates, lost), 10, 'each counts for itself')
  assert.equal((await gates[0].ask(known)).refusal, undefined)
  for (const node of [0, 2]) assert.equal(await admitted(gates, await clientOn(node)), 5, 'other shards are not touched')
  assert.ok(performance.now() - began < 500, 'nobody waits for the lost shard')

  await until(
    'the replica has taken over',
    () => cluster.holderOf(`tidemark:limit:${lost}`),
    node => node === 3,
  )
  await until(
    'the gateways share again',
    async () => admitted(gates, await clientOn(3)),
    count => count === 5,
  )

  cluster.nodes[2]?.halt()
  const silent = await clientOn(2)
  const asked = performance.now()
  assert.equal(await admitted(gates, silent), 10, 'a silent node turns nobody away')
  assert.ok(performance.now() - asked < 1_000, `and is waited for half a second: ${performance.now() - asked} ms`)
})
