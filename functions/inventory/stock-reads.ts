import { setting } from '../../shared/config.ts'
import type { Database, Queryable } from '../../shared/data/postgres.ts'
import type { RedisClient } from '../../shared/data/redis.ts'
import { ReplicaReads } from '../../shared/data/replica.ts'
import type { Metrics } from '../../shared/telemetry/metrics.ts'
import { LevelCache } from './level-cache.ts'
import { type Level, readLevel, readLevels } from './levels.ts'

/** How fresh an answer must be. */
export interface Freshness {
  /** From the primary itself. */
  readonly fresh?: boolean | undefined
  /** At least as new as this version. */
  readonly minVersion?: number | undefined
}

/** The reading side of stock: from the nearest place that is fresh enough. */
export interface StockReads {
  level(sku: string, location: string, freshness: Freshness): Promise<Level | undefined>
  levels(sku: string, freshness: Freshness): Promise<readonly Level[]>
  /** Lists, searches and history: from the replica where there is one that keeps up. */
  list<T>(work: (sql: Queryable) => PromiseLike<T>): Promise<T>
}

export function stockReads(from: { primary: Database; replica: ReplicaReads; cache: LevelCache | undefined }): StockReads {
  const { primary, replica, cache } = from
  const load = async (sku: string, location: string) => {
    const level = await readLevel(primary.sql, sku, location)
    return level && [level]
  }
  return {
    async level(sku, location, { fresh, minVersion }) {
      if (!fresh) {
        const cached = await cache?.level(sku, location)
        if (cached && cached.version >= (minVersion ?? 0)) return cached
        // Only who names a version can tell that a replica is behind.
        const replicated = minVersion === undefined ? undefined : await replica.ifThere(sql => readLevel(sql, sku, location))
        if (replicated && replicated.version >= (minVersion ?? 0)) return replicated
      }
      const loaded = await (cache ? cache.loading(sku, () => load(sku, location)) : load(sku, location))
      return loaded?.[0]
    },
    async levels(sku, { fresh }) {
      const cached = fresh ? undefined : await cache?.levels(sku)
      if (cached) return cached
      const load = async () => readLevels(primary.sql, sku)
      return cache ? cache.loading(sku, load, 'all') : load()
    },
    list: work => replica.read(work),
  }
}

export const readSettings = {
  /** Seconds that a level in Redis is believed; 0 keeps none there. */
  STOCK_CACHE_SECONDS: setting.count(0),
  /** Milliseconds that a replica may be behind; beyond, the primary is read. */
  REPLICA_MAX_LAG: setting.milliseconds(5_000),
}

interface ReadsSetup {
  readonly primary: Database
  readonly replica: Database | undefined
  readonly redis: RedisClient | undefined
  readonly config: { readonly STOCK_CACHE_SECONDS: number; readonly REPLICA_MAX_LAG: number }
  readonly metrics: Metrics
}

export function setUpReads({ primary, replica, redis, config, metrics }: ReadsSetup) {
  const looks = metrics.counter('tidemark_stock_cache_looks_total', 'Looks into the cache of levels.', ['result'])
  const lists = metrics.counter('tidemark_replica_reads_total', 'Reads that a replica may answer, by who did.', ['from'])
  const levelCache =
    redis && new LevelCache({ redis, seconds: () => config.STOCK_CACHE_SECONDS, observe: result => looks.inc({ result }) })
  const behind = new ReplicaReads({
    primary,
    replica,
    maxLag: () => config.REPLICA_MAX_LAG,
    observe: from => lists.inc({ from }),
  })
  return { levelCache, reads: stockReads({ primary, replica: behind, cache: levelCache }) }
}
