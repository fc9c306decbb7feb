import { Redis } from 'ioredis'

/**
 * Redis is used for what a function can do without (limits, caches): a command waits at most 500 ms and fails at once
 * while there is no connection, so that the caller falls back instead of queueing.
 */
export function openRedis(options: {
  url: string
  /** Asked with every new connection, instead of the one in the URL. */
  password?: () => string
  service: string
  up?: (up: boolean) => void
}): Redis {
  const redis = new Redis(options.url, {
    connectionName: options.service,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: 500,
    connectTimeout: 2_000,
    enableAutoPipelining: true,
    retryStrategy: attempt => Math.min(100 * attempt, 2_000),
  })
  redis.on('ready', () => options.up?.(true))
  redis.on('close', () => {
    // The driver reads it from here when it connects again. An empty one would be sent, and refused.
    if (options.password) redis.options.password = options.password() || undefined
    options.up?.(false)
  })
  // Every failed reconnect is told here again: `up` says it once.
  redis.on('error', () => {})
  return redis
}
