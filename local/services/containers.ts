import { run } from './run-command.ts'
import type { Say, ServiceName, ServiceUrls } from './service.ts'

const composeFile = new URL('../../docker-compose.yml', import.meta.url).pathname

/** Where docker-compose.yml publishes the services on this machine. */
export const containerUrls: ServiceUrls = {
  postgres: 'postgres://tidemark:tidemark-development@127.0.0.1:7432',
  redis: 'redis://127.0.0.1:7479',
  kafka: '127.0.0.1:7492',
  registry: 'http://127.0.0.1:7481/apis/ccompat/v7',
  ses: 'http://127.0.0.1:7485',
}

/** Whether a container engine answers: the client alone, without its engine, does not count. */
export const hasContainerEngine = (): Promise<boolean> =>
  run('docker', ['compose', 'version'], { timeoutMs: 5_000 })
    .then(() => run('docker', ['info', '--format', '{{.ServerVersion}}'], { timeoutMs: 5_000 }))
    .then(
      version => version.trim() !== '',
      () => false,
    )

/** Brings services up in containers and waits until they are healthy. They stay up: `docker compose down` ends them. */
export async function bringInContainers(names: readonly ServiceName[], say: Say): Promise<Partial<ServiceUrls>> {
  say(`${names.join(', ')}: brought by the container engine (docker-compose.yml), because this machine lacks what they need`)
  await run('docker', ['compose', '--file', composeFile, 'up', '--detach', '--wait', ...names])
  return Object.fromEntries(names.map(name => [name, containerUrls[name]]))
}
