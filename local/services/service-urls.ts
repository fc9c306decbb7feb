import { type ServiceName, type ServiceUrls, serviceNames } from './service.ts'

export const urlVariable: Record<ServiceName, string> = {
  postgres: 'TIDEMARK_POSTGRES_URL',
  redis: 'TIDEMARK_REDIS_URL',
  kafka: 'TIDEMARK_KAFKA_BROKERS',
  registry: 'TIDEMARK_REGISTRY_URL',
  ses: 'TIDEMARK_SES_URL',
}

/** Services that already run somewhere, as the environment names them. */
export function serviceUrlsFrom(env: NodeJS.ProcessEnv): Partial<ServiceUrls> {
  const urls: Partial<ServiceUrls> = {}
  for (const name of serviceNames) {
    const url = env[urlVariable[name]]
    if (url) urls[name] = url
  }
  return urls
}

/** What this run has to start: what was asked for and what that needs, less what is given by URL. */
export function servicesToStart(only: readonly ServiceName[] | undefined, given: Partial<ServiceUrls>): ServiceName[] {
  const wanted = new Set(only ?? serviceNames)
  // Schemas live in Postgres: their ids must survive a restart, and the registry's own store is memory.
  if (wanted.has('registry') && !given.registry) wanted.add('postgres')
  return serviceNames.filter(name => wanted.has(name) && !given[name])
}
