import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JWK } from 'jose'
import type { TidemarkFunction } from '../shared/function/declare.ts'
import { databases } from '../shared/function/resources.ts'
import { configOf, nodeOptionsOf } from '../shared/function/start.ts'
import { functionClient, issuerName } from './issuer.ts'
import type { ServiceUrls } from './services/service.ts'

/** What the local run keeps secret, made at the first start and kept with its data. */
export interface LocalSecrets {
  readonly issuerKey: JWK
  readonly clientSecret: string
  readonly sealingKeys: string
}

export function localSecrets(dataDir: string): LocalSecrets {
  const file = join(dataDir, 'secrets.json')
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as LocalSecrets
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }) as JWK
  const secrets: LocalSecrets = {
    issuerKey: { ...key, alg: 'RS256', kid: createHash('sha256').update(String(key.n)).digest('base64url').slice(0, 16) },
    clientSecret: randomBytes(32).toString('base64url'),
    sealingKeys: `local:${randomBytes(32).toString('base64url')}`,
  }
  writeFileSync(file, JSON.stringify(secrets, null, 2), { mode: 0o600 })
  return secrets
}

export const databaseUrl = (postgresUrl: string, name: string): string => `${postgresUrl.replace(/\/$/, '')}/tidemark_${name}`

export const mailFrom = 'alerts@tidemark.example'
export const mailTo = 'buyer@tidemark.example'

/** Where the activator takes events as a Broker to which nobody has subscribed. */
export const localBroker = 'alerts-broker'

/** The environment of every function: of all these, each is given just what it declares. */
export function functionEnvironment(
  fn: TidemarkFunction,
  given: { services: ServiceUrls; activatorPort: number; issuerUrl: string; secrets: LocalSecrets; extra: NodeJS.ProcessEnv },
): Record<string, string> {
  const { services, activatorPort, issuerUrl, secrets } = given
  const all: Record<string, string | undefined> = {
    ...Object.fromEntries(databases.map(name => [`${name.toUpperCase()}_DATABASE_URL`, databaseUrl(services.postgres, name)])),
    REDIS_URL: services.redis,
    KAFKA_BROKERS: services.kafka,
    SCHEMA_REGISTRY_URL: services.registry,
    FUNCTION_URL: `http://127.0.0.1:${activatorPort}/{name}`,
    JWKS_URL: `${issuerUrl}/.well-known/jwks.json`,
    TOKEN_URL: `${issuerUrl}/oauth/token`,
    TOKEN_ISSUER: issuerName,
    CLIENT_ID: fn.name,
    CLIENT_SECRET: functionClient(fn.name, secrets.clientSecret).secret,
    NOTIFY_FROM: mailFrom,
    NOTIFY_TO: mailTo,
    // Short, for somebody watches: whoever waits longer than a handler does waits for the schedule.
    NOTIFY_GROUP_INTERVAL: '3',
    SEALING_KEYS: secrets.sealingKeys,
    SES_ENDPOINT: services.ses,
    ALERTS_BROKER_URL: `http://127.0.0.1:${activatorPort}/${localBroker}`,
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local-development',
    ...given.extra,
  }
  const declared = Object.keys(configOf(fn).shape)
  const options = nodeOptionsOf(fn)
  return Object.fromEntries([
    ...(options ? [['NODE_OPTIONS', options]] : []),
    ...declared.flatMap(name => (all[name] === undefined ? [] : [[name, all[name]]])),
  ])
}
