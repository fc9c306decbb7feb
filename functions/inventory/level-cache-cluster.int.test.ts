import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openRedis, type RedisClient } from '../../shared/data/redis.ts'
import { until } from '../../test/environment.ts'
import { type RedisCluster, startRedisCluster } from '../../test/redis-cluster.ts'
import { LevelCache } from './level-cache.ts'
import type { Level } from './levels.ts'

let cluster: RedisCluster
let redis: RedisClient
before(async () => {
  cluster = await startRedisCluster()
  redis = openRedis({ url: cluster.url, service: 'test' })
})
after(async () => {
  redis.disconnect()
  await cluster.stop()
})

const skus = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H']
const levelOf = (sku: string, version: number): Level => ({
  ...{ sku, location: 'main', version },
  ...{ onHand: version, reserved: 0, available: version },
})

test('on a cluster the levels of all its shards are kept, and none is put over a newer one', async () => {
  const cache = new LevelCache({ redis, seconds: () => 30 })
  cache.changed(skus.map(sku => levelOf(sku, 2)))
  const found = () => Promise.all(skus.map(async sku => (await cache.level(sku, 'main'))?.version))
  await until('all are kept', found, versions => versions.every(version => version === 2))
  assert.deepEqual(new Set(await Promise.all(skus.map(sku => cluster.holderOf(`stock:${sku}`)))), new Set([0, 1, 2]))
  await Promise.all(skus.map(sku => cache.loading(sku, async () => [levelOf(sku, 1)], 'all')))
  await until(
    'the old ones have been given to it',
    () => Promise.all(skus.map(sku => cache.levels(sku))),
    all => all.every(levels => levels !== undefined),
  )
  assert.deepEqual(
    await found(),
    skus.map(() => 2),
  )
})
