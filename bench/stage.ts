import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import postgres from 'postgres'
import { functions } from '../functions/index.ts'
import { buildFunctions } from '../local/build.ts'
import { functionClient, retailer, startIssuer } from '../local/issuer.ts'
import { startInstance } from '../local/knative/instance.ts'
import { freePort } from '../local/services/ports.ts'
import { removeServicesData, type ServiceName, type ServiceUrls, startServices } from '../local/services/start.ts'
import { databaseUrl, functionEnvironment, localSecrets } from '../local/settings.ts'
import { migrate } from '../shared/data/migrate.ts'
import type { TidemarkFunction } from '../shared/function/declare.ts'
import { closeIdleConnections, exchange } from '../shared/function/exchange.ts'
import { databases } from '../shared/function/resources.ts'
import { type Progress, progress } from './measure.ts'

export interface Process {
  readonly port: number
  readonly pid: number
  stop(): Promise<void>
}

/** What a bench stands on: real services, the functions built as for production, an issuer; all of it its own. */
export interface Stage {
  readonly urls: ServiceUrls
  /** For what else a bench writes; removed at the end. */
  readonly folder: string
  /** The built `main.mjs`. */
  readonly entry: string
  /** A token with every scope, good for 600 s. */
  token(): Promise<string>
  environment(fn: TidemarkFunction, extra?: Record<string, string>): Record<string, string>
  /** Starts a function as a container would, and waits until it is ready. `before` goes before the command (`taskset -c 0`). */
  start(name: string, options?: { extra?: Record<string, string>; before?: readonly string[] }): Promise<Process>
  /** Starts another program that answers `/health/readiness` on PORT. */
  startProgram(
    name: string,
    command: readonly [string, ...string[]],
    env: Record<string, string>,
    port?: number,
  ): Promise<Process>
  close(): Promise<void>
}

/** @param services only these are started, with what they need */
export async function openStage(services: ServiceName[], say: Progress = progress): Promise<Stage> {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-bench-'))
  const closing: (() => Promise<unknown>)[] = [() => removeServicesData(folder)]
  const close = async () => {
    for (const end of closing.splice(0).reverse()) await end()
    closeIdleConnections()
  }
  // A bench that is interrupted leaves no process and no folder behind.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void close().finally(() => process.exit(130)))
  try {
    const dist = pathToFileURL(`${join(folder, 'dist')}/`)
    const [running] = await Promise.all([
      startServices({ dataDir: folder, only: services, ports: 'free', say }),
      buildFunctions(dist),
    ])
    closing.push(() => running.stop())
    const { urls } = running
    if (services.includes('postgres')) await createDatabases(urls.postgres)
    const secrets = localSecrets(folder)
    const issuer = await startIssuer({
      port: 0,
      key: secrets.issuerKey,
      client: id => (id === retailer.id ? retailer : functionClient(id, secrets.clientSecret)),
    })
    closing.push(() => issuer.close())
    const activatorPort = await freePort()
    const entry = join(folder, 'dist', 'main.mjs')

    const environment: Stage['environment'] = (fn, extra = {}) =>
      functionEnvironment(fn, { services: urls, activatorPort, issuerUrl: issuer.url, secrets, extra })

    const startProgram: Stage['startProgram'] = async (name, command, env, port) => {
      const logFile = join(folder, 'log', `${name}.log`)
      const path = { PATH: process.env.PATH ?? '' }
      const instance = await startInstance({ name, command, env: { ...path, ...env }, logFile, port, started: () => {} })
      const stop = once(() => instance.stop(10_000))
      closing.push(stop)
      return { port: instance.port, pid: instance.pid, stop }
    }

    return {
      urls,
      folder,
      entry,
      environment,
      startProgram,
      token: () => token(issuer.url),
      async start(name, { extra, before = [] } = {}) {
        const load = functions[name]
        if (!load) throw new Error(`There is no function ${name}.`)
        const command = [...before, process.execPath, entry, name] as unknown as [string, ...string[]]
        return startProgram(name, command, environment(await load(), extra))
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

async function createDatabases(server: string): Promise<void> {
  const sql = postgres(`${server}/postgres`, { max: 1, onnotice: () => {} })
  for (const name of databases) await sql.unsafe(`create database tidemark_${name}`)
  await sql.end()
  await Promise.all(databases.map(name => migrate({ url: databaseUrl(server, name), database: name })))
}

async function token(issuerUrl: string): Promise<string> {
  const answer = await exchange({
    url: `${issuerUrl}/oauth/token`,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `grant_type=client_credentials&client_id=${retailer.id}&client_secret=${retailer.secret}`,
    timeout: 5_000,
  })
  return (JSON.parse(answer.body.toString()) as { access_token: string }).access_token
}

function once(work: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined
  return () => {
    done ??= work()
    return done
  }
}
