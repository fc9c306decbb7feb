import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import { type ClassArchive, classArchive, thriftyJvm } from './class-archive.ts'
import type { Java } from './java.ts'
import { classPath, kafkaInCache, kafkaJars, prepareKafkaFolder } from './kafka-files.ts'
import type { KeepRunningOptions } from './keep-running.ts'
import { freePort } from './ports.ts'
import type { Program, Say, Service } from './service.ts'

function kafkaProgram(java: Java, jars: string, settings: string, archiveFlags: string[]): Program {
  const logging = [
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    '-Dorg.slf4j.simpleLogger.showDateTime=true',
    '-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS',
  ]
  return {
    file: java.file,
    args: [...thriftyJvm, '-Xmx384m', ...archiveFlags, ...logging, '-cp', classPath(jars), 'kafka.Kafka', settings],
  }
}

const quiet = { clientId: 'tidemark-services', logLevel: logLevel.NOTHING }

export async function probeKafka(brokers: string): Promise<void> {
  const once = { connectionTimeout: 1_500, requestTimeout: 1_500, retry: { retries: 0 } }
  const admin = new Kafka({ ...quiet, ...once, brokers: brokers.split(',') }).admin()
  try {
    await admin.connect()
    // A broker that has not registered yet answers with an empty list.
    if ((await admin.describeCluster()).brokers.length === 0) throw new Error('no broker has registered yet')
  } finally {
    await admin.disconnect()
  }
}

/** The paths of a first minute: a topic, a batch sent, a group that reads it. */
async function exercise(brokers: string): Promise<void> {
  const kafka = new Kafka({ ...quiet, brokers: [brokers] })
  const admin = kafka.admin()
  const producer = kafka.producer()
  const topic = 'trial'
  await Promise.all([admin.connect(), producer.connect()])
  try {
    await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true })
    await producer.send({ topic, messages: [{ key: 'a', value: 'b' }] })
    const consumer = kafka.consumer({ groupId: topic })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    await new Promise<void>((resolve, reject) => {
      setTimeout(reject, 15_000, new Error('the trial message did not come back')).unref()
      consumer.run({ eachMessage: async () => resolve() }).catch(reject)
    }).finally(() => consumer.disconnect())
  } finally {
    await Promise.all([admin.disconnect(), producer.disconnect()])
  }
}

async function trainedArchive(java: Java, jars: string, options: KafkaOptions): Promise<ClassArchive> {
  let brokers = ''
  return classArchive({
    ...options,
    java,
    name: kafkaInCache,
    logFile: join(options.dataDir, 'log', 'kafka-trial.log'),
    async trial(flags, scratch) {
      const ports = { broker: await freePort(), controller: await freePort() }
      brokers = `127.0.0.1:${ports.broker}`
      const settings = await prepareKafkaFolder(scratch, jars, java, ports)
      const program = kafkaProgram(java, jars, settings, flags)
      // Writing the archive takes 7 s at the end of the trial.
      return { ...timing, name: 'kafka-trial', program: () => program, probe: () => probeKafka(brokers), stopWithinMs: 90_000 }
    },
    exercise: () => exercise(brokers),
  })
}

const timing = { readyWithinMs: 90_000, stopSignal: 'SIGTERM', stopWithinMs: 20_000 } as const

export interface KafkaOptions {
  dataDir: string
  cache: string
  host: string
  java: () => Promise<Java>
  choosePort: (name: 'kafka' | 'kafka-controller') => Promise<number>
  say: Say
  book: KeepRunningOptions['book']
}

export async function kafkaService(options: KafkaOptions): Promise<{ service: Service; url: string }> {
  const [jars, java] = await Promise.all([kafkaJars(options.cache, options.say), options.java()])
  const archive = await trainedArchive(java, jars, options)
  const ports = { broker: await options.choosePort('kafka'), controller: await options.choosePort('kafka-controller') }
  const settings = await prepareKafkaFolder(join(options.dataDir, 'kafka'), jars, java, ports, options.host)
  const url = `${options.host}:${ports.broker}`
  const service: Service = {
    ...timing,
    name: 'kafka',
    program: () => kafkaProgram(java, jars, settings, archive.flags()),
    probe: () => probeKafka(url),
    afterFailedStart: () => archive.drop(),
  }
  return { service, url }
}
