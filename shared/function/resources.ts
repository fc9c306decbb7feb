import type { Kafka } from 'kafkajs'
import { z } from 'zod'
import { atStart, currentPassword, secret, setting } from '../config.ts'
import type { Database } from '../data/postgres.ts'
import type { RedisClient } from '../data/redis.ts'
import type { EventCodec } from '../events/codec.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { FunctionClient } from './call.ts'

export const databases = ['inventory', 'orders', 'payments', 'alerts', 'notifications'] as const
export type DatabaseName = (typeof databases)[number]

/** What a function may stand on. It is given these, and the secrets for these, and nothing else. */
export type Use =
  | `db:${DatabaseName}`
  /** Where its database can be read too, if there is such a place. */
  | `replica:${DatabaseName}`
  | `call:${string}`
  | 'redis'
  /** Redis, if there is one: for what a function does faster with it. */
  | 'cache'
  | 'kafka'
  | 'registry'

type Named<U extends readonly Use[], Kind extends string> =
  Extract<U[number], `${Kind}:${string}`> extends `${Kind}:${infer Name}` ? Name : never

export type Deps<U extends readonly Use[] = readonly [], C = unknown> = {
  readonly config: C
  readonly now: () => Date
  /** A new UUIDv7. */
  readonly newId: () => string
  readonly log: Log
  readonly metrics: Metrics
  readonly db: { readonly [N in Named<U, 'db'>]: Database }
  readonly replica: { readonly [N in Named<U, 'replica'>]: Database | undefined }
  readonly call: { readonly [N in Named<U, 'call'>]: FunctionClient }
} & ('redis' extends U[number] ? { readonly redis: RedisClient } : unknown) &
  ('cache' extends U[number] ? { readonly cache: RedisClient | undefined } : unknown) &
  ('kafka' extends U[number] ? { readonly kafka: Kafka } : unknown) &
  ('registry' extends U[number] ? { readonly events: EventCodec } : unknown)

export interface Resource {
  readonly value: unknown
  /** Rejects while the resource cannot be used. Not called for what a function can do without. */
  ready?(): Promise<void>
  close(): Promise<void>
}

/** Parsed variables by their name, each as it is now: what can follow a change reads them with every use. */
export type Settings = Readonly<Record<string, unknown>>

interface Opening {
  readonly name: string
  readonly settings: Settings
  readonly service: string
  readonly metrics: Metrics
}

interface ResourceKind {
  /** The variables it needs; `name` is the part after the colon. */
  settings(name: string): z.ZodRawShape
  /** Imported here and not above: a function pays only for what it uses. */
  open(opening: Opening): Promise<Resource>
}

const databaseUrl = (name: string) => `${name.toUpperCase()}_DATABASE_URL`
const replicaUrl = (name: string) => `${name.toUpperCase()}_DATABASE_REPLICA_URL`

/** What was not given is not opened, and its driver not imported. */
const absent: Resource = { value: undefined, close: async () => {} }

export const resourceKinds: Record<'db' | 'replica' | 'call' | 'redis' | 'cache' | 'kafka' | 'registry', ResourceKind> = {
  db: {
    settings: name => ({ [databaseUrl(name)]: setting.credentialUrl(), DATABASE_POOL: atStart(setting.count(2)) }),
    async open({ name, settings, service }) {
      const { openDatabase } = await import('../data/postgres.ts')
      const url = () => String(settings[databaseUrl(name)])
      const database = openDatabase({
        url: url(),
        password: currentPassword(url),
        pool: Number(settings.DATABASE_POOL),
        service,
        migrations: name,
      })
      return { value: database, ready: () => database.ready(), close: () => database.close() }
    },
  },
  replica: {
    settings: name => ({ [replicaUrl(name)]: setting.optionalCredentialUrl(), DATABASE_POOL: atStart(setting.count(2)) }),
    async open({ name, settings, service }) {
      if (settings[replicaUrl(name)] === undefined) return absent
      const { openDatabase } = await import('../data/postgres.ts')
      const url = lastGiven(() => settings[replicaUrl(name)])
      const replica = openDatabase({ url: url(), password: currentPassword(url), pool: Number(settings.DATABASE_POOL), service })
      return { value: replica, close: () => replica.close() }
    },
  },
  call: {
    settings: () => ({
      FUNCTION_URL: atStart(z.string().includes('{name}').default('http://{name}.tidemark.svc.cluster.local')),
      TOKEN_URL: setting.url(),
      CLIENT_ID: z.string().min(1),
      CLIENT_SECRET: secret(z.string().min(8)),
    }),
    async open({ name, settings, metrics }) {
      const { functionClient } = await import('./call.ts')
      const { serviceToken } = await import('../security/service-token.ts')
      const token = serviceToken(() => ({
        tokenUrl: String(settings.TOKEN_URL),
        clientId: String(settings.CLIENT_ID),
        clientSecret: String(settings.CLIENT_SECRET),
      }))
      const url = String(settings.FUNCTION_URL).replace('{name}', name)
      return { value: await functionClient({ name, url, token, metrics }), close: async () => {} }
    },
  },
  redis: {
    settings: () => ({ REDIS_URL: setting.credentialUrl() }),
    open: openedRedis,
  },
  cache: {
    settings: () => ({ REDIS_URL: setting.optionalCredentialUrl() }),
    open: async opening => (opening.settings.REDIS_URL === undefined ? absent : openedRedis(opening)),
  },
  kafka: {
    settings: () => ({ KAFKA_BROKERS: atStart(z.string().min(1)) }),
    async open({ settings, service }) {
      const { openKafka } = await import('../events/kafka.ts')
      return { value: openKafka({ brokers: String(settings.KAFKA_BROKERS), service }), close: async () => {} }
    },
  },
  registry: {
    settings: () => ({ SCHEMA_REGISTRY_URL: atStart(setting.url()) }),
    async open({ settings }) {
      const { eventCodec } = await import('../events/codec.ts')
      return { value: eventCodec(String(settings.SCHEMA_REGISTRY_URL)), close: async () => {} }
    },
  },
}

/** A URL that is taken away while the function runs goes with the next start: until then the one that was opened counts. */
function lastGiven(url: () => unknown): () => string {
  const first = String(url())
  return () => String(url() ?? first)
}

async function openedRedis({ settings, service, metrics }: Opening): Promise<Resource> {
  const { openRedis } = await import('../data/redis.ts')
  const isUp = metrics.gauge('tidemark_redis_up', 'Whether Redis is there. Without it the function does what it can alone.')
  const url = lastGiven(() => settings.REDIS_URL)
  const redis = openRedis({
    url: url(),
    password: currentPassword(url),
    service,
    up: up => isUp.set(up ? 1 : 0),
  })
  return { value: redis, close: async () => redis.disconnect() }
}

export function splitUse(use: Use): { kind: keyof typeof resourceKinds; name: string } {
  const [kind, name = ''] = use.split(':') as [keyof typeof resourceKinds, string?]
  return { kind, name }
}
