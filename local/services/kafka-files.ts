import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cached } from './cache.ts'
import { thriftyJvm } from './class-archive.ts'
import type { Java } from './java.ts'
import { copyArtifacts } from './maven.ts'
import { loopback } from './ports.ts'
import { run } from './run-command.ts'
import type { Say } from './service.ts'

export const kafkaInCache = 'kafka-4.3.1'

/** 46 jars, 44 MB. */
export function kafkaJars(cache: string, say: Say): Promise<string> {
  return cached(cache, kafkaInCache, say, folder =>
    copyArtifacts(
      [
        { group: 'org.apache.kafka', id: 'kafka_2.13', version: '4.3.1', dependencies: true },
        // The smallest logger: to stderr, and so into our log file.
        { group: 'org.slf4j', id: 'slf4j-simple', version: '1.7.36', dependencies: true },
      ],
      folder,
    ),
  )
}

/** The order counts: a class archive is only taken by the class path that it was made with. */
export function classPath(...folders: string[]): string {
  return folders
    .flatMap(folder =>
      readdirSync(folder)
        .filter(name => name.endsWith('.jar'))
        .sort()
        .map(name => join(folder, name)),
    )
    .join(':')
}

/** One node that is broker and controller at once (KRaft). */
export function kafkaProperties(port: number, controllerPort: number, logDir: string, host = loopback): string {
  const properties = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://${host}:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://${host}:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': logDir,
    // A mistyped topic is an error and not a new topic.
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': '1',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    // Defaults are 50 each: 100 folders to open and load before the first group can join.
    'offsets.topic.num.partitions': '5',
    'transaction.state.log.num.partitions': '5',
    'share.coordinator.state.topic.num.partitions': '5',
    // Default 3 s: waits for more members at every first join.
    'group.initial.rebalance.delay.ms': '0',
    // Default 9 s: after kill -9 the restarted broker is refused until the dead one's session ends. Long enough for a busy machine's pauses.
    'broker.session.timeout.ms': '3000',
    'broker.heartbeat.interval.ms': '500',
    // Default 128 MB of heap, taken at the start.
    'log.cleaner.dedupe.buffer.size': '16777216',
  }
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

/** Writes the settings for these ports and, once, the empty log with its cluster id (a JVM start, about 1 s). */
export async function prepareKafkaFolder(
  folder: string,
  jars: string,
  java: Java,
  ports: { broker: number; controller: number },
  host = loopback,
): Promise<string> {
  await mkdir(folder, { recursive: true })
  const data = join(folder, 'data')
  const settings = join(folder, 'server.properties')
  if (!existsSync(data)) {
    const making = join(folder, 'making')
    await rm(making, { recursive: true, force: true })
    await mkdir(making)
    const forFormat = join(folder, 'format.properties')
    await writeFile(forFormat, kafkaProperties(ports.broker, ports.controller, making))
    const clusterId = Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url')
    // One word: an id may begin with a hyphen, and would be taken for an option.
    const format = ['kafka.tools.StorageTool', 'format', `--cluster-id=${clusterId}`, '-c', forFormat]
    await run(java.file, [...thriftyJvm, '-cp', classPath(jars), ...format], { timeoutMs: 60_000 })
    await rename(making, data)
  }
  await writeFile(settings, kafkaProperties(ports.broker, ports.controller, data, host))
  return settings
}
