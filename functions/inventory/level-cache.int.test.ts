import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, beforeEach, test } from 'node:test'
import { openRedis, type RedisClient } from '../../shared/data/redis.ts'
import { serviceUrls, until } from '../../test/environment.ts'
import { LevelCache, type LevelCacheOptions } from './level-cache.ts'
import type { Level } from './levels.ts'

let redis: RedisClient
let sku: string
let looks: string[]
before(async () => {
  redis = openRedis({ url: serviceUrls().redis, service: 'test' })
  await until(
    'Redis is there',
    () => redis.status,
    status => status === 'ready',
  )
})
after(() => redis.disconnect())
beforeEach(() => {
  sku = `TEST-${randomBytes(6).toString('hex')}`
  looks = []
})

const cacheOf = (options: Partial<LevelCacheOptions> = {}) =>
  new LevelCache({ redis, seconds: () => 30, observe: result => looks.push(result), ...options })
const levelAt = (version: number, location = 'main'): Level => ({
  ...{ sku, location, version },
  ...{ onHand: 100 - version, reserved: 1, available: 99 - version },
})
const written = (cache: LevelCache, version: number) =>
  until(
    `version ${version} is in Redis`,
    () => cache.level(sku, 'main'),
    level => level?.version === version,
  )

test('what was loaded is found until its time is over', async () => {
  let now = Date.now()
  const cache = cacheOf({ seconds: () => 5, clock: () => now })
  assert.equal(await cache.level(sku, 'main'), undefined)
  await cache.loading(sku, async () => [levelAt(3)])
  assert.deepEqual(await written(cache, 3), levelAt(3))
  assert.deepEqual([looks[0], looks.at(-1)], ['miss', 'hit'])
  now += 5_100
  assert.equal(await cache.level(sku, 'main'), undefined)
  assert.ok((await redis.pttl(`stock:${sku}`)) > 0, 'it goes by itself')
})

test('a slow reader never puts an old version over the one that was written meanwhile', async () => {
  const [reader, writer] = [cacheOf(), cacheOf()]
  const { promise: slow, resolve: answer } = Promise.withResolvers<Level[]>()
  const loading = reader.loading(sku, () => slow)
  writer.changed([levelAt(6)])
  await written(writer, 6)
  answer([levelAt(5)])
  assert.equal((await loading)[0]?.version, 5)
  await redis.ping()
  assert.equal((await reader.level(sku, 'main'))?.version, 6)
  await reader.loading(sku, async () => [levelAt(7)])
  await written(reader, 7)
})

test('of many writers and readers in any order the newest version stays', async () => {
  const caches = Array.from({ length: 4 }, () => cacheOf())
  const versions = Array.from({ length: 200 }, (_, index) => index + 1).sort(() => Math.random() - 0.5)
  for (const [index, version] of versions.entries()) {
    const cache = caches[index % 4] as LevelCache
    if (index % 3 === 0) cache.changed([levelAt(version)])
    else void cache.loading(sku, async () => [levelAt(version)])
    if (index % 10 === 0) await new Promise(resolve => setImmediate(resolve))
  }
  await written(cacheOf(), 200)
})

test('a reader that took so long that a change may have been forgotten meanwhile keeps nothing', async () => {
  let now = Date.now()
  const cache = cacheOf({ seconds: () => 4, clock: () => now })
  await cache.loading(sku, async () => {
    now += 2_100
    return [levelAt(5)]
  })
  await redis.ping()
  assert.equal(await redis.exists(`stock:${sku}`), 0)
})

test('all levels of a SKU are found when all were loaded, each in its newest version', async () => {
  const cache = cacheOf()
  await cache.loading(sku, async () => [levelAt(1), levelAt(1, 'east')])
  await written(cache, 1)
  assert.equal(await cache.levels(sku), undefined, 'there may be more')
  await cache.loading(sku, async () => [levelAt(1, 'east'), levelAt(1)], 'all')
  await until(
    'all are there',
    () => cache.levels(sku),
    levels => levels?.length === 2,
  )
  const writer = cacheOf()
  writer.changed([levelAt(1, 'new'), levelAt(2, 'east')])
  const levels = await until(
    'the change is there',
    () => cache.levels(sku),
    found => found?.length === 3,
  )
  assert.deepEqual(
    levels?.map(({ location, version }) => [location, version]),
    [
      ['east', 2],
      ['main', 1],
      ['new', 1],
    ],
  )
})

test('with Redis away nothing is found, nothing fails, and nothing older than a change of ours is believed afterwards', async () => {
  const gone = openRedis({ url: 'redis://127.0.0.1:1', service: 'test' })
  try {
    const cache = cacheOf({ redis: gone })
    cache.changed([levelAt(2)])
    assert.equal(await cache.level(sku, 'main'), undefined)
    assert.equal(await cache.levels(sku), undefined)
    assert.equal((await cache.loading(sku, async () => [levelAt(2)]))[0]?.version, 2)
    assert.deepEqual(new Set(looks), new Set(['away']))
  } finally {
    gone.disconnect()
  }
})

test('what Redis did not take is not read from it here, and is given to it again', async () => {
  const other = cacheOf()
  await other.loading(sku, async () => [levelAt(1)])
  await written(other, 1)
  let fails = true
  const flaky = new Proxy(redis, {
    get(target, name) {
      if (name === 'putLevels' && fails) return () => Promise.reject(new Error('away'))
      const value = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const cache = cacheOf({ redis: flaky })
  cache.changed([levelAt(2)])
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(await cache.level(sku, 'main'), undefined)
  fails = false
  await written(cache, 2)
  await written(other, 2)
})

test('switched off it looks for nothing and keeps nothing', async () => {
  const cache = cacheOf({ seconds: () => 0 })
  cache.changed([levelAt(1)])
  await cache.loading(sku, async () => [levelAt(1)])
  assert.equal(await cache.level(sku, 'main'), undefined)
  await redis.ping()
  assert.deepEqual([await redis.exists(`stock:${sku}`), looks], [0, []])
})
