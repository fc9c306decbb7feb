import { mkdir, realpath, rm } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import { join, resolve } from 'node:path'
import { cacheFolder, seconds } from './cache.ts'
import { bringInContainers, hasContainerEngine } from './containers.ts'
import { chooseJava } from './java.ts'
import { kafkaService } from './kafka.ts'
import { keepRunning, type Running } from './keep-running.ts'
import { inspectMachine } from './machine.ts'
import { choosePort, loopback, type PortName } from './ports.ts'
import { postgresService } from './postgres.ts'
import { clusterFolder } from './postgres-files.ts'
import { openProcessBook } from './process-book.ts'
import { redisService } from './redis.ts'
import { registryService } from './registry.ts'
import { explain, whatIsMissing } from './requirements.ts'
import type { Say, Service, ServiceName, ServiceUrls } from './service.ts'
import { servicesToStart } from './service-urls.ts'
import { sesService } from './ses.ts'

export type { Say, ServiceName, ServiceUrls } from './service.ts'

export interface StartOptions {
  /** Persistent: a second start on it continues where the first was. */
  dataDir: string
  /** A service that already runs is used when its URL is given. */
  urls?: Partial<ServiceUrls>
  /** Just these, with what they need. */
  only?: ServiceName[]
  /** `preferred`: postgres 7432, redis 7479, kafka 7492 and 7493, registry 7481, ses 7485; a free one where that is taken. */
  ports?: 'preferred' | 'free'
  /** The IPv4 address of this machine at which all of them listen, for pods that reach it there. Default: the loopback alone. */
  host?: string
  /** Of Postgres, beside the usual ones. */
  postgresSettings?: Record<string, string>
  say: Say
  /** Default true: a service that dies is started again, at most 10 times in a row. */
  restart?: boolean
}

export interface Services {
  urls: ServiceUrls
  /** Undefined when the service was given by URL, was not asked for or is down. */
  pid(name: ServiceName): number | undefined
  /** Ends all in the reverse order of starting, each within its deadline. */
  stop(): Promise<void>
}

/** Starts real services as child processes, what depends on nothing side by side. */
export async function startServices(options: StartOptions): Promise<Services> {
  const { say, ports = 'preferred', restart = true, host = loopback } = options
  // Clients are told this address: Kafka's say where the broker is.
  if (!isIPv4(host) || host === '0.0.0.0') throw new Error(`${host} is not an IPv4 address that a client can connect to.`)
  const began = performance.now()
  const cache = cacheFolder()
  const { machine, tools } = await inspectMachine(cache)
  const missing = whatIsMissing(servicesToStart(options.only, options.urls ?? {}), machine)
  if (missing.length > 0 && !(await hasContainerEngine())) throw new Error(explain(missing))
  const lacking = [...new Set(missing.flatMap(({ neededFor }) => neededFor))]
  if (lacking.length > 0 && host !== loopback) throw new Error(explain(missing))
  const given = { ...options.urls, ...(lacking.length > 0 && (await bringInContainers(lacking, say))) }
  const names = servicesToStart(options.only, given)
  for (const [name, url] of Object.entries(given)) say(`${name}: using the one at ${withoutPassword(url)}`)

  await mkdir(join(resolve(options.dataDir), 'log'), { recursive: true })
  const dataDir = await realpath(options.dataDir)
  const book = await openProcessBook(dataDir, say)
  const running = new Map<ServiceName, Running>()
  const urls: ServiceUrls = { postgres: '', redis: '', kafka: '', registry: '', ses: '', ...given }

  const portOf = (name: PortName) => () => choosePort(name, ports, say, name === 'kafka-controller' ? loopback : host)
  const java = once(() => chooseJava(tools.java, machine.python?.pip ? tools.python : undefined, cache, say))
  const shared = { dataDir, cache, host, say, book, java }
  const make: Record<ServiceName, () => Promise<{ service: Service; url: string }>> = {
    postgres: () => postgresService({ ...shared, settings: options.postgresSettings ?? {}, choosePort: portOf('postgres') }),
    redis: () => redisService({ ...shared, redisServer: tools.redisServer, choosePort: portOf('redis') }),
    kafka: () => kafkaService({ ...shared, choosePort: name => portOf(name)() }),
    registry: () => registryService({ ...shared, postgresUrl: () => started('postgres'), choosePort: portOf('registry') }),
    ses: () =>
      sesService({
        ...shared,
        python: tools.python ?? '',
        pythonVersion: machine.python?.version ?? '',
        choosePort: portOf('ses'),
      }),
  }

  const starts = new Map<ServiceName, Promise<string>>()
  /** @returns the URL of a service that answers */
  function started(name: ServiceName): Promise<string> {
    const already = given[name] ?? starts.get(name)
    if (already !== undefined) return Promise.resolve(already)
    const start = make[name]().then(async ({ service, url }) => {
      const launched = performance.now()
      const process = await keepRunning(service, { logFile: join(dataDir, 'log', `${name}.log`), book, say, restart })
      running.set(name, process)
      urls[name] = url
      say(`${name}: ready in ${seconds(launched)} (process ${process.pid()})`)
      return url
    })
    starts.set(name, start)
    return start
  }

  const stop = once(async () => {
    // Nothing may still be starting while the rest is stopped. Insertion order is the order in which they became ready.
    await Promise.allSettled(starts.values())
    for (const [, process] of [...running].reverse()) await process.stop()
    book.close()
  })

  const results = await Promise.allSettled(names.map(started))
  const failures = results.flatMap(result => (result.status === 'rejected' ? [result.reason as Error] : []))
  if (failures.length > 0) {
    await stop()
    // The registry waits for Postgres and then repeats its failure.
    throw new Error([...new Set(failures.map(failure => failure.message))].join('\n'), { cause: failures[0] })
  }
  if (names.length > 0) say(`services: ${names.join(', ')} ready in ${seconds(began)}`)
  return { urls, pid: name => running.get(name)?.pid(), stop }
}

/** Deletes a stopped run's data, the part in /var/tmp too that a root's Postgres keeps there. */
export async function removeServicesData(dataDir: string): Promise<void> {
  const folder = await realpath(dataDir).catch(() => undefined)
  if (folder === undefined) return
  await rm(clusterFolder(folder, process.getuid?.() === 0), { recursive: true, force: true })
  await rm(folder, { recursive: true, force: true })
}

const withoutPassword = (url: string): string => url.replace(/:[^:@/]*@/, ':•••@')

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}
