import { Kafka, logLevel } from 'kafkajs'
import postgres from 'postgres'
import { migrate } from '../shared/data/migrate.ts'
import { partitions, topics } from '../shared/events/catalog.ts'
import { exchange } from '../shared/function/exchange.ts'
import { databases } from '../shared/function/resources.ts'
import type { ServiceUrls } from './services/service.ts'
import { databaseUrl, mailFrom } from './settings.ts'

/** Brings the services to where the functions can stand on them: databases and migrations, topics, a sender who may send. */
export async function prepare(
  services: Pick<ServiceUrls, 'postgres' | 'kafka' | 'ses'>,
  say: (line: string) => void,
  { migrating = true } = {},
): Promise<void> {
  const [applied, created] = await Promise.all([
    prepareDatabases(services.postgres, migrating),
    prepareTopics(services.kafka),
    allowSender(services.ses),
  ])
  if (applied > 0) say(`${applied} migrations applied to ${databases.length} databases`)
  if (created) say(`topics made: ${topics.join(', ')}`)
}

async function prepareDatabases(postgresUrl: string, migrating: boolean): Promise<number> {
  const sql = postgres(databaseUrl(postgresUrl, 'x').replace(/tidemark_x$/, 'postgres'), { max: 1, onnotice: () => {} })
  try {
    for (const name of databases) {
      const [existing] = await sql`select 1 from pg_database where datname = ${`tidemark_${name}`}`
      if (!existing) await sql.unsafe(`create database tidemark_${name}`)
    }
  } finally {
    await sql.end()
  }
  if (!migrating) return 0
  const applied = await Promise.all(databases.map(name => migrate({ url: databaseUrl(postgresUrl, name), database: name })))
  return applied.flat().length
}

async function prepareTopics(brokers: string): Promise<boolean> {
  const admin = new Kafka({ clientId: 'tidemark-local', brokers: brokers.split(','), logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    const existing = new Set(await admin.listTopics())
    const missing = topics.filter(topic => !existing.has(topic))
    if (missing.length === 0) return false
    return await admin.createTopics({
      waitForLeaders: true,
      topics: missing.map(topic => ({ topic, numPartitions: partitions })),
    })
  } finally {
    await admin.disconnect()
  }
}

/** SES refuses senders whose address nobody has confirmed; so does the local one, which confirms at once. */
async function allowSender(sesUrl: string): Promise<void> {
  const answer = await exchange({
    url: sesUrl,
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      authorization:
        'AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-1/email/aws4_request, SignedHeaders=host, Signature=local',
    },
    body: `Action=VerifyEmailIdentity&Version=2010-12-01&EmailAddress=${encodeURIComponent(mailFrom)}`,
    timeout: 5_000,
  })
  if (answer.status !== 200) throw new Error(`The mail server did not take the sender: ${answer.status}`)
}
