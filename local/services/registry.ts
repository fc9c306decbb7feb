import { join } from 'node:path'
import postgres from 'postgres'
import { type ClassArchive, classArchive, noArchive, thriftyJvm } from './class-archive.ts'
import type { Java } from './java.ts'
import type { KeepRunningOptions } from './keep-running.ts'
import { freePort, loopback } from './ports.ts'
import { registryFiles, registryInCache, registryProgram } from './registry-files.ts'
import type { Program, Say, Service } from './service.ts'

const database = 'schema_registry'

function program(
  java: Java,
  folder: string,
  { host, port }: { host: string; port: number },
  archiveFlags: string[],
  env: NodeJS.ProcessEnv,
): Program {
  const properties = {
    'quarkus.http.host': host,
    'quarkus.http.port': String(port),
    'quarkus.http.access-log.enabled': 'false',
    // Health and metrics stand on a second port (9000) that only a build can switch off; 0 takes any.
    'quarkus.management.host': '127.0.0.1',
    'quarkus.management.port': '0',
    // Default 20 connections from the first moment, 100 at most.
    'apicurio.datasource.jdbc.initial-size': '1',
    'apicurio.datasource.jdbc.min-size': '1',
    'apicurio.datasource.jdbc.max-size': '10',
  }
  const flags = Object.entries(properties).map(([name, value]) => `-D${name}=${value}`)
  const args = [...thriftyJvm, '-Xmx256m', ...archiveFlags, ...flags, ...registryProgram(folder, archiveFlags.length > 0)]
  return { file: java.file, args, env: { ...process.env, ...env }, cwd: folder }
}

/** By environment and not by -D: every user of the machine can read a command line, and this holds the password. */
export function datasource(postgresUrl: string): NodeJS.ProcessEnv {
  const { hostname, port, username, password } = new URL(postgresUrl)
  return {
    APICURIO_STORAGE_KIND: 'sql',
    APICURIO_STORAGE_SQL_KIND: 'postgresql',
    APICURIO_DATASOURCE_URL: `jdbc:postgresql://${hostname}:${port || 5432}/${database}`,
    APICURIO_DATASOURCE_USERNAME: decodeURIComponent(username),
    APICURIO_DATASOURCE_PASSWORD: decodeURIComponent(password),
  }
}

async function createDatabase(postgresUrl: string): Promise<void> {
  const sql = postgres(`${postgresUrl}/postgres`, { max: 1, connect_timeout: 10, onnotice: () => {} })
  try {
    const found = await sql`select from pg_database where datname = ${database}`
    if (found.length === 0) await sql`create database ${sql(database)}`
  } finally {
    await sql.end({ timeout: 2 })
  }
}

export async function probeRegistry(url: string): Promise<void> {
  const answer = await fetch(`${url}/subjects`, { signal: AbortSignal.timeout(2_000) })
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
  await answer.arrayBuffer()
}

async function exercise(url: string): Promise<void> {
  const post = (path: string, body: unknown) =>
    fetch(`${url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  const schema = JSON.stringify({ type: 'record', name: 'Trial', fields: [{ name: 'a', type: 'string' }] })
  const registered = (await (await post('/subjects/trial/versions', { schema, schemaType: 'AVRO' })).json()) as { id: number }
  await post('/compatibility/subjects/trial/versions/latest', { schema, schemaType: 'AVRO' })
  await (await fetch(`${url}/schemas/ids/${registered.id}`)).arrayBuffer()
}

async function trainedArchive(java: Java, folder: string, options: RegistryOptions): Promise<ClassArchive> {
  let url = ''
  return classArchive({
    ...options,
    java,
    name: registryInCache,
    logFile: join(options.dataDir, 'log', 'registry-trial.log'),
    async trial(flags) {
      const port = await freePort()
      const at = { host: loopback, port }
      url = ccompat(at)
      // Its own store in memory (H2): Postgres may not even be downloaded yet.
      const trialProgram = program(java, folder, at, flags, {})
      // Writing the archive takes 9 s at the end of the trial.
      return {
        ...timing,
        name: 'registry-trial',
        program: () => trialProgram,
        probe: () => probeRegistry(url),
        stopWithinMs: 90_000,
      }
    },
    exercise: () => exercise(url),
  })
}

const timing = { readyWithinMs: 120_000, stopSignal: 'SIGTERM', stopWithinMs: 10_000 } as const
const ccompat = ({ host, port }: { host: string; port: number }) => `http://${host}:${port}/apis/ccompat/v7`

export interface RegistryOptions {
  dataDir: string
  cache: string
  host: string
  java: () => Promise<Java>
  postgresUrl: () => Promise<string>
  choosePort: () => Promise<number>
  say: Say
  book: KeepRunningOptions['book']
}

export async function registryService(options: RegistryOptions): Promise<{ service: Service; url: string }> {
  const [folder, java] = await Promise.all([registryFiles(options.cache, options.say), options.java()])
  // Before 25 the plain class path gained nothing from an archive: Quarkus' loader as it comes.
  const archive = java.major >= 25 ? await trainedArchive(java, folder, options) : noArchive
  const postgresUrl = await options.postgresUrl()
  await createDatabase(postgresUrl)
  const at = { host: options.host, port: await options.choosePort() }
  const url = ccompat(at)
  const service: Service = {
    ...timing,
    name: 'registry',
    program: () => program(java, folder, at, archive.flags(), datasource(postgresUrl)),
    probe: () => probeRegistry(url),
    afterFailedStart: () => archive.drop(),
  }
  return { service, url }
}
