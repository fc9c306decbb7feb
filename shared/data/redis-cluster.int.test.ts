import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { until } from '../../test/environment.ts'
import { type RedisCluster, type RedisNode, startRedisCluster } from '../../test/redis-cluster.ts'
import { openRedis, type RedisClient } from './redis.ts'

let cluster: RedisCluster
before(async () => {
  cluster = await startRedisCluster()
})
after(() => cluster.stop())

const opened: RedisClient[] = []
const closeAll = () => {
  for (const redis of opened.splice(0)) redis.disconnect()
}
afterEach(closeAll)
function open(options: Partial<Parameters<typeof openRedis>[0]> = {}): RedisClient {
  const redis = openRedis({ url: cluster.url, service: 'test', ...options })
  opened.push(redis)
  return redis
}
/** That commands to each shard are answered. */
const answers = (redis: RedisClient, awaited: boolean) =>
  until(
    awaited ? 'every shard answers' : 'no shard answers',
    () => Promise.all(keys.map(key => redis.get(key).then(Boolean, () => false))),
    found => found.every(one => one === awaited),
  )
const keys = ['a', 'b', 'c', 'd', 'e', 'f']
const primaries = () => cluster.nodes.slice(0, 3) as [RedisNode, RedisNode, RedisNode]

test('keys of every shard are written and read by one connection', async () => {
  const redis = open()
  await until(
    'the shards are connected',
    () => Promise.all(keys.map(key => redis.set(key, `${key}!`).catch(() => undefined))),
    done => done.every(answer => answer === 'OK'),
  )
  assert.deepEqual(new Set(await Promise.all(keys.map(cluster.holderOf))), new Set([0, 1, 2]), 'the keys lie on every shard')
  assert.deepEqual(await Promise.all(keys.map(key => redis.get(key))), ['a!', 'b!', 'c!', 'd!', 'e!', 'f!'])
  const names = await Promise.all(primaries().map(({ admin }) => admin.call('client', 'list')))
  for (const list of names) assert.match(String(list), / name=test /)
})

test('one server of a cluster, asked as one server, knows no other shard', async () => {
  const redis = open({ url: cluster.url.replace('+cluster', '') })
  await until(
    'it is connected',
    () => redis.status,
    status => status === 'ready',
  )
  const asked = await Promise.allSettled(keys.map(key => redis.get(key)))
  assert.ok(asked.some(answer => answer.status === 'rejected' && /MOVED/.test(answer.reason.message)))
})

test('a password can be changed under a running function: the next connections are opened with the new one', async () => {
  const change = async (password: string) => {
    for (const { admin } of cluster.nodes) {
      await admin.call('config', 'set', 'masterauth', password)
      await admin.call('config', 'set', 'requirepass', password)
      await admin.call('client', 'kill', 'type', 'normal')
    }
  }
  const seen: boolean[] = []
  let password = 'it"s @ first'
  await change(password)
  try {
    const url = new URL(cluster.url)
    url.password = password
    const redis = open({ url: url.href, password: () => password, up: up => seen.push(up) })
    await answers(redis, true)
    assert.equal(seen.at(-1), true)
    await change('second')
    await answers(redis, false)
    await until(
      'it is told',
      () => seen.at(-1),
      up => up === false,
    )
    await wait(400)
    assert.equal(seen.includes(true, seen.indexOf(false)), false, 'the old one opens nothing more')
    password = 'second'
    await answers(redis, true)
    assert.equal(seen.at(-1), true)
  } finally {
    closeAll()
    await change('')
  }
})

test('a cluster that is away fails at once, and is seen when it is lost', async () => {
  const seen: boolean[] = []
  const redis = open({ up: up => seen.push(up) })
  await answers(redis, true)
  await Promise.all(cluster.nodes.map(node => node.kill()))
  await until(
    'it is told',
    () => seen.at(-1),
    up => up === false,
  )
  const began = performance.now()
  for (let count = 0; count < 20; count++) await assert.rejects(redis.get('a'))
  assert.ok(performance.now() - began < 300, `${performance.now() - began} ms for 20 commands`)
})
