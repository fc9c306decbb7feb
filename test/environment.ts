import { randomBytes } from 'node:crypto'
import { Kafka, logLevel } from 'kafkajs'
import postgres from 'postgres'
import { v7 as uuidv7 } from 'uuid'
import type { EventType } from '../shared/events/catalog.ts'
import { type EventCodec, eventCodec } from '../shared/events/codec.ts'
import type { EventData } from '../shared/events/generated.ts'
import type { TidemarkFunction } from '../shared/function/declare.ts'
import type { DatabaseName } from '../shared/function/resources.ts'
import { type Running, start } from '../shared/function/start.ts'
import { templateOf } from './templates.ts'
import { issuerEnvironment, issueToken, type TokenOptions } from './token-issuer.ts'

/** Where `test/run.ts` says which services a test may use. */
export const testVariable = {
  postgres: 'TIDEMARK_TEST_POSTGRES',
  redis: 'TIDEMARK_TEST_REDIS',
  kafka: 'TIDEMARK_TEST_KAFKA',
  registry: 'TIDEMARK_TEST_REGISTRY',
  ses: 'TIDEMARK_TEST_SES',
} as const

export function serviceUrls(): Record<keyof typeof testVariable, string> {
  const url = (name: keyof typeof testVariable) => {
    const value = process.env[testVariable[name]]
    if (!value)
      throw new Error('This test stands on real services, which test/run.ts starts: node test/run.ts <part of its path>')
    return value
  }
  return { postgres: url('postgres'), redis: url('redis'), kafka: url('kafka'), registry: url('registry'), ses: url('ses') }
}

export interface ClonedDatabase {
  readonly url: string
  drop(): Promise<void>
}

/** A database of its own for a test, as empty as the migrations leave it. */
export async function cloneDatabase(name: DatabaseName): Promise<ClonedDatabase> {
  const server = serviceUrls().postgres
  const database = `test_${name}_${randomBytes(6).toString('hex')}`
  await onServer(server, `create database ${database} template ${templateOf(name)}`)
  return {
    url: `${server}/${database}`,
    drop: () => onServer(server, `drop database if exists ${database} with (force)`),
  }
}

async function onServer(server: string, statement: string): Promise<void> {
  const sql = postgres(`${server}/postgres`, { max: 1, onnotice: () => {} })
  try {
    await sql.unsafe(statement)
  } finally {
    await sql.end()
  }
}

export const kafka = (): Kafka =>
  new Kafka({ clientId: 'test', brokers: serviceUrls().kafka.split(','), logLevel: logLevel.NOTHING })

/** Keeps the topics of tests that share a broker apart. */
export const topicPrefix = (): string => `test-${randomBytes(6).toString('hex')}.`

export async function createTopics(names: readonly string[], numPartitions = 3): Promise<void> {
  const admin = kafka().admin()
  await admin.connect()
  await admin.createTopics({ topics: names.map(topic => ({ topic, numPartitions })), waitForLeaders: true })
  await admin.disconnect()
}

export interface Started {
  readonly url: string
  readonly metricsUrl: string
  stop(): Promise<void>
  /** `POST /v1/orders` with a token that has every scope, unless the options say otherwise. */
  request<T = Record<string, unknown>>(route: string, options?: RequestOptions): Promise<Answered<T>>
  /** An event as a KafkaSource delivers it: binary mode, Avro. A field that has a default may be left out. */
  deliver<T extends EventType>(type: T, data: Partial<EventData[T]>, options?: Delivery): Promise<number>
  /** The tick of a PingSource. */
  tick(): Promise<number>
}

export interface Delivery {
  readonly id?: string
  readonly traceparent?: string
  /** When it became true; now when absent. */
  readonly time?: Date
}

export interface RequestOptions extends TokenOptions {
  readonly body?: unknown
  readonly key?: string
  readonly headers?: Record<string, string>
}

export interface Answered<T> {
  readonly status: number
  readonly headers: Headers
  readonly body: T
}

/** Starts a function in this process on free ports, with tokens from the tests' own issuer. */
export async function startFunction(fn: TidemarkFunction, env: Record<string, string> = {}): Promise<Started> {
  const running: Running = await start(fn, {
    PORT: '0',
    METRICS_PORT: '0',
    LOG_LEVEL: 'silent',
    ...(await issuerEnvironment(fn.name)),
    ...(fn.trigger && !env.SCHEMA_REGISTRY_URL && { SCHEMA_REGISTRY_URL: serviceUrls().registry }),
    ...env,
  })
  const url = `http://127.0.0.1:${running.port}`
  return {
    url,
    metricsUrl: `http://127.0.0.1:${running.metricsPort}/metrics`,
    stop: () => running.stop(),
    request: (route, options) => request(url, route, options),
    deliver: (type, data, options) => deliver(url, type, data, options),
    async tick() {
      const answer = await fetch(url, { method: 'POST', headers: { 'ce-type': 'dev.knative.sources.ping' } })
      await answer.arrayBuffer()
      return answer.status
    },
  }
}

export async function request<T>(base: string, route: string, options: RequestOptions = {}): Promise<Answered<T>> {
  const [method = '', path = ''] = route.split(' ')
  const { body, key, headers } = options
  const answer = await fetch(base + path, {
    method,
    headers: {
      authorization: `Bearer ${await issueToken(options)}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(key !== undefined && { 'idempotency-key': key }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, headers: answer.headers, body: (text ? JSON.parse(text) : undefined) as T }
}

let codec: EventCodec | undefined

async function deliver<T extends EventType>(
  url: string,
  type: T,
  data: Partial<EventData[T]>,
  { id = uuidv7(), traceparent, time = new Date() }: Delivery = {},
): Promise<number> {
  codec ??= eventCodec(serviceUrls().registry)
  const encode = await codec.encoder(type)
  const answer = await fetch(url, {
    method: 'POST',
    headers: {
      'ce-specversion': '1.0',
      'ce-id': id,
      'ce-type': type,
      'ce-source': '/tidemark/test',
      'ce-time': time.toISOString(),
      ...(traceparent && { 'ce-traceparent': traceparent }),
      'content-type': 'application/avro',
    },
    body: new Uint8Array(encode(data as EventData[T])),
  })
  await answer.arrayBuffer()
  return answer.status
}

/** Asks until the answer is the awaited one; says after thirty seconds, for machines are shared, what it was instead. */
export async function until<T>(what: string, ask: () => T | Promise<T>, isIt: (value: T) => boolean): Promise<T> {
  const end = Date.now() + 30_000
  for (;;) {
    const value = await ask()
    if (isIt(value)) return value
    if (Date.now() > end) throw new Error(`not within 30 s: ${what}; it is ${JSON.stringify(value)}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
