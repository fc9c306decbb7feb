import { functionClient } from '../local/issuer.ts'
import type { ServiceUrls } from '../local/services/service.ts'
import { databaseUrl, type LocalSecrets } from '../local/settings.ts'
import { declaredFunctions } from '../manifests/declared.ts'
import { databases, splitUse } from '../shared/function/resources.ts'

type Values = Readonly<Record<string, string>>

/** The Secrets of a local deployment, by their name: the same names that the base mounts, made for this machine. */
export async function localSecretValues(services: ServiceUrls, secrets: LocalSecrets): Promise<Record<string, Values>> {
  const calling = (await declaredFunctions()).filter(fn => fn.uses.some(use => splitUse(use).kind === 'call'))
  return {
    ...Object.fromEntries(
      databases.map(name => [
        `${name}-database`,
        { [`${name.toUpperCase()}_DATABASE_URL`]: databaseUrl(services.postgres, name) },
      ]),
    ),
    ...Object.fromEntries(
      calling.map(({ name }) => [`client-${name}`, { secret: functionClient(name, secrets.clientSecret).secret }]),
    ),
    redis: { REDIS_URL: services.redis },
    'sealing-keys': { SEALING_KEYS: secrets.sealingKeys },
    aws: { AWS_ACCESS_KEY_ID: 'local', AWS_SECRET_ACCESS_KEY: 'local-development' },
    issuer: { ISSUER_KEY: JSON.stringify(secrets.issuerKey), CLIENT_MASTER_SECRET: secrets.clientSecret },
    services: {
      TIDEMARK_POSTGRES_URL: services.postgres,
      TIDEMARK_KAFKA_BROKERS: services.kafka,
      TIDEMARK_SES_URL: services.ses,
    },
  }
}

/** The objects that hold them. They are given to kubectl on its standard input: an argument could be read by everybody on the machine. */
export const secretObjects = (values: Readonly<Record<string, Values>>, namespace: string): object[] =>
  Object.entries(values).map(([name, stringData]) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace, labels: { 'app.kubernetes.io/part-of': 'tidemark' } },
    stringData,
  }))
