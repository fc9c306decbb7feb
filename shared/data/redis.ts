import { Cluster, Redis } from 'ioredis'

/** One server, or a cluster that is spoken to as if it were one: what belongs together there must have one key. */
export type RedisClient = Redis | Cluster

export interface RedisOptions {
  /** `redis:` or `rediss:` (TLS) of one server; `redis+cluster:` or `rediss+cluster:` where a Redis Cluster begins. */
  readonly url: string
  /** Asked with every new connection, instead of the one in the URL. */
  readonly password?: () => string
  readonly service: string
  /** Of a cluster: whether it is there as a whole. A shard that is away fails its own keys and is not told here. */
  readonly up?: (up: boolean) => void
}

/**
 * Redis is used for what a function can do without (limits, caches): a command waits at most 500 ms and fails at once
 * while there is no connection, so that the caller falls back instead of queueing.
 */
export function openRedis(options: RedisOptions): RedisClient {
  const redis = /^rediss?\+cluster:/i.test(options.url) ? openCluster(options) : openServer(options)
  redis.on('ready', () => options.up?.(true))
  redis.on('close', () => options.up?.(false))
  // Every failed reconnect is told here again: `up` says it once.
  redis.on('error', () => {})
  return redis
}

const retryStrategy = (attempt: number): number => Math.min(100 * attempt, 2_000)

const connection = ({ service }: RedisOptions) => ({
  connectionName: service,
  maxRetriesPerRequest: 0,
  commandTimeout: 500,
  // A server that is silent for so long is away: one command waited for it, the next fails at once.
  socketTimeout: 500,
  connectTimeout: 2_000,
})

function openServer(options: RedisOptions): Redis {
  const redis = new Redis(options.url, {
    ...connection(options),
    enableOfflineQueue: false,
    enableAutoPipelining: true,
    retryStrategy,
  })
  followPassword(redis, options)
  return redis
}

function openCluster(options: RedisOptions): Cluster {
  const { protocol, hostname, port, username, password } = new URL(options.url)
  const start = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379) }
  const cluster = new Cluster([start], {
    redisOptions: {
      ...connection(options),
      username: decodeURIComponent(username),
      password: decodeURIComponent(password),
      ...(protocol.startsWith('rediss') && { tls: {} }),
    },
    enableOfflineQueue: false,
    // No pipelines of the driver's own: there, one key that has moved fails, where a command alone follows it to its node.
    enableAutoPipelining: false,
    clusterRetryStrategy: retryStrategy,
    // What a lost shard or cluster cannot answer fails at once. The driver would ask 16 times, 100 ms apart.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    slotsRefreshTimeout: 1_000,
    // The socket looks names up, with every connection: an address would not outlast a pod, and no certificate names it.
    dnsLookup: (name, callback) => callback(null, name),
  })
  // Now and not with a node's first command, beside which all others would fail; but the driver's own check comes before. A node that
  // cannot be reached is left out, until another sends a command there.
  const connectNodes = (nodes: readonly Redis[]) => {
    for (const node of nodes) if (node.status === 'wait') node.connect().catch(() => {})
  }
  cluster.on('+node', (node: Redis) => {
    followPassword(node, options)
    if (cluster.status === 'ready') connectNodes([node])
  })
  cluster.on('ready', () => connectNodes(cluster.nodes()))
  return cluster
}

/** The driver reads the password from here with each connection that it opens. An empty one would be sent, and refused. */
function followPassword(redis: Redis, { password }: RedisOptions): void {
  if (!password) return
  Object.defineProperty(redis.options, 'password', { enumerable: true, get: () => password() || undefined })
}
