import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Cron } from 'croner'
import { Kafka, logLevel } from 'kafkajs'
import { parse } from 'yaml'
import { functions } from '../functions/index.ts'
import type { TidemarkFunction } from '../shared/function/declare.ts'
import { closeIdleConnections, exchange } from '../shared/function/exchange.ts'
import { buildFunctions } from './build.ts'
import { localClient, startIssuer } from './issuer.ts'
import { type Dispatcher, type KafkaSource, startDispatcher } from './kafka-source/dispatcher.ts'
import { startActivator } from './knative/activator.ts'
import { startInstance } from './knative/instance.ts'
import { Revision } from './knative/revision.ts'
import { prepare } from './prepare.ts'
import { startProviders } from './providers/start.ts'
import { freePort, isFree } from './services/ports.ts'
import { openProcessBook } from './services/process-book.ts'
import type { ServiceName, ServiceUrls } from './services/service.ts'
import { startServices } from './services/start.ts'
import { functionEnvironment, localSecrets } from './settings.ts'

export interface SystemOptions {
  readonly dataDir: string
  /** `preferred`: the gateway at 8080, the issuer at 7490, the activator at 7480; a free one where that is taken. */
  readonly ports: 'preferred' | 'free'
  readonly gatewayPort?: number
  /** Where the gateway and the issuer listen. This machine alone by default. */
  readonly host?: string
  readonly urls?: Partial<ServiceUrls>
  /** Milliseconds without a request after which a function that scales to zero is stopped. */
  readonly idle?: number
  /** Processes a function may have on this machine. */
  readonly mostInstances?: number
  /** Variables for the functions that declare them. */
  readonly env?: NodeJS.ProcessEnv
  readonly say: (line: string) => void
}

export interface System {
  readonly gatewayUrl: string
  readonly tokenUrl: string
  readonly services: ServiceUrls
  /** The paid services that messages go to, as servers of their protocols: `/_control/taken` of each shows what was sent. */
  readonly providers: Readonly<Record<string, string>>
  /** Process ids of a function's instances. */
  pids(functionName: string): number[]
  /** How often a process of a function was started. */
  starts(functionName: string): number
  metricsPorts(functionName: string): number[]
  servicePid(name: ServiceName): number | undefined
  stop(): Promise<void>
}

/** The whole system on one machine: real services, functions as processes, and stand-ins for what Knative does around them. */
export async function startSystem(options: SystemOptions): Promise<System> {
  const { say, ports } = options
  const dataDir = resolve(options.dataDir)
  const logDir = join(dataDir, 'log')
  const closing: (() => Promise<unknown>)[] = []
  const stop = async () => {
    for (const close of closing.splice(0).reverse()) await close()
    closeIdleConnections()
  }
  try {
    // A bundle of its own: two systems on one checkout must not rebuild each other's under their feet.
    const dist = pathToFileURL(join(dataDir, 'dist', '/'))
    const book = await openProcessBook(makeFolder(dataDir, 'functions'), say)
    closing.push(async () => book.close())
    // The logs are of this run: a line a request and event soon fills a disk.
    rmSync(logDir, { recursive: true, force: true })
    mkdirSync(logDir, { recursive: true })
    const [services] = await Promise.all([
      startServices({ dataDir: makeFolder(dataDir, 'services'), ...(options.urls && { urls: options.urls }), ports, say }),
      buildFunctions(dist),
    ])
    closing.push(() => services.stop())
    await prepare(services.urls, say)

    const secrets = localSecrets(dataDir)
    const issuer = await startIssuer({
      host: options.host ?? '127.0.0.1',
      port: await portFor(7490, options),
      key: secrets.issuerKey,
      client: localClient(functions, secrets.clientSecret),
    })
    closing.push(() => issuer.close())

    const declared = new Map(
      await Promise.all(Object.entries(functions).map(async ([name, load]) => [name, await load()] as const)),
    )
    const gatewayPort = options.gatewayPort ?? (await portFor(8080, options))
    const revisions = new Map<string, Revision>()
    const activator = await startActivator(await portFor(7480, options), name => revisions.get(name))
    closing.push(() => activator.close())

    const providers = await startProviders({
      moto: services.urls.ses,
      gatewayUrl: `http://127.0.0.1:${gatewayPort}`,
      dataDir,
    })
    closing.push(() => providers.stop())
    const extra = { ...providers.env, ...options.env, NODE_COMPILE_CACHE: undefined }
    const revisionOf = (fn: TidemarkFunction) =>
      new Revision({
        name: fn.name,
        scale: fn.scale,
        most: fn.visibility === 'public' ? 1 : (options.mostInstances ?? 2),
        idle: options.idle ?? 30_000,
        say,
        start: () => {
          let pid = 0
          const starting = startInstance({
            name: fn.name,
            command: [process.execPath, new URL('main.mjs', dist).pathname, fn.name],
            env: functionEnvironment(fn, {
              services: services.urls,
              activatorPort: activator.port,
              issuerUrl: issuer.url,
              secrets,
              extra,
            }),
            logFile: join(logDir, `${fn.name}.log`),
            port: fn.visibility === 'public' ? gatewayPort : undefined,
            host: fn.visibility === 'public' ? options.host : undefined,
            started: started => {
              pid = started
              book.add(fn.name, started, 'SIGTERM')
            },
          })
          void starting
            .then(instance => instance.ended)
            .then(
              () => book.remove(pid),
              () => book.remove(pid),
            )
          return starting
        },
      })
    for (const [name, fn] of declared) revisions.set(name, revisionOf(fn))
    closing.push(() => Promise.all([...revisions.values()].map(revision => revision.stop())))
    await Promise.all([...revisions.values()].map(revision => revision.warm()))
    const cold = [...declared.values()].filter(fn => fn.scale.min > 0 && revisions.get(fn.name)?.pids.length === 0)
    if (cold.length > 0) throw new Error(`${cold.map(fn => fn.name).join(', ')} did not start; the logs are in ${logDir}`)
    const warm = [...declared.values()].filter(fn => fn.scale.min > 0).map(fn => fn.name)
    say(`warm: ${warm.join(', ')}; ${declared.size - warm.length} more functions start with their first request or event`)

    const kafka = new Kafka({
      clientId: 'tidemark-kafka-source',
      brokers: services.urls.kafka.split(','),
      logLevel: logLevel.NOTHING,
    })
    const dispatchers = kafkaSources().map(source => serve(source, kafka, revisions, say))
    closing.push(() => Promise.all(dispatchers.map(dispatcher => dispatcher.stop())))

    const clocks = [...declared.values()].flatMap(fn =>
      fn.schedule ? [startClock(fn.name, fn.schedule.cron, revisions, say)] : [],
    )
    closing.push(async () => clocks.map(clock => clock.stop()))

    return {
      gatewayUrl: `http://127.0.0.1:${gatewayPort}`,
      tokenUrl: `${issuer.url}/oauth/token`,
      services: services.urls,
      providers: providers.urls,
      pids: name => revisions.get(name)?.pids ?? [],
      starts: name => revisions.get(name)?.coldStarts ?? 0,
      metricsPorts: name => revisions.get(name)?.ports.map(({ metricsPort }) => metricsPort) ?? [],
      servicePid: name => services.pid(name),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

function makeFolder(parent: string, name: string): string {
  const folder = join(parent, name)
  mkdirSync(folder, { recursive: true })
  return folder
}

async function portFor(wanted: number, { ports, say }: SystemOptions): Promise<number> {
  if (ports === 'preferred' && (await isFree(wanted))) return wanted
  const port = await freePort()
  if (ports === 'preferred') say(`port ${wanted} is taken, using ${port}`)
  return port
}

/** The same objects that a cluster is given. */
function kafkaSources(): KafkaSource[] {
  const folder = new URL('../kafka-sources/', import.meta.url)
  return readdirSync(folder)
    .filter(name => name.endsWith('.yaml') && name !== 'kustomization.yaml')
    .map(name => parse(readFileSync(new URL(name, folder), 'utf8')) as KafkaSource)
}

const serve = (source: KafkaSource, kafka: Kafka, revisions: Map<string, Revision>, say: (line: string) => void): Dispatcher =>
  startDispatcher({
    source,
    kafka,
    say,
    addressOf: ({ ref }) => ref?.name ?? '',
    send: (name, { headers, body }, timeout) => post(revisions.get(name), headers, body, timeout),
  })

/** One request to an instance, which is started when there is none. */
async function post(revision: Revision | undefined, headers: Record<string, string>, body: Buffer, timeout: number) {
  if (!revision) return { status: 404, body: 'There is no such function.' }
  const lease = await revision.lease()
  try {
    const answer = await exchange({ url: `http://127.0.0.1:${lease.port}/`, method: 'POST', headers, body, timeout })
    return { status: answer.status, body: answer.body.toString() }
  } finally {
    lease.release()
  }
}

function startClock(name: string, cron: string, revisions: Map<string, Revision>, say: (line: string) => void): Cron {
  return new Cron(cron, { timezone: 'UTC', protect: true, unref: true }, async () => {
    const headers = {
      'ce-specversion': '1.0',
      'ce-type': 'dev.knative.sources.ping',
      'ce-source': `/apis/v1/namespaces/tidemark/pingsources/${name}`,
      'ce-id': crypto.randomUUID(),
    }
    const answer = await post(revisions.get(name), headers, Buffer.alloc(0), 60_000).catch((error: Error) => ({
      status: 503,
      body: error.message,
    }))
    if (answer.status >= 300) say(`${name}: answered ${answer.status} to its clock`)
  })
}
