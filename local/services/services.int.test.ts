import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { SESClient, SendEmailCommand, VerifyEmailIdentityCommand } from '@aws-sdk/client-ses'
import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
import { Redis } from 'ioredis'
import { Kafka, logLevel } from 'kafkajs'
import postgres from 'postgres'
import { startOf } from './process-identity.ts'
import { removeServicesData, type Services, type StartOptions, startServices } from './start.ts'

const topic = 'tides'
const subject = 'tides-value'
const schema = { type: 'record', name: 'Tide', namespace: 'test', fields: [{ name: 'height', type: 'int' }] } as const
const said: string[] = []
const say = (line: string) => {
  said.push(line)
  console.log(line)
}

let dataDir: string
let services: Services
let schemaId: number
const start = (options: Partial<StartOptions> = {}) => startServices({ dataDir, ports: 'free', say, ...options })

before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tidemark-services-'))
  services = await start()
})
after(async () => {
  await services.stop()
  await removeServicesData(dataDir)
})

const kafka = () => new Kafka({ brokers: [services.urls.kafka], logLevel: logLevel.NOTHING })

async function messages(count: number): Promise<string[]> {
  const consumer = kafka().consumer({ groupId: `reader-${Math.random()}`, maxWaitTimeInMs: 200 })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const values: string[] = []
  await consumer.run({ eachMessage: async ({ message }) => void values.push(String(message.value)) })
  for (let waited = 0; values.length < count && waited < 30_000; waited += 50) await sleep(50)
  await consumer.disconnect()
  return values
}

async function send(value: string): Promise<void> {
  const producer = kafka().producer()
  await producer.connect()
  await producer.send({ topic, acks: -1, messages: [{ value }] })
  await producer.disconnect()
}

test('Postgres 18 keeps every commit and sorts by code point', async () => {
  const sql = postgres(`${services.urls.postgres}/postgres`, { max: 1 })
  await sql`create table tide (height int)`
  await sql`insert into tide values (3)`
  const [row] = await sql`
    select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit, upper('é') as upper,
           current_setting('server_version') as version, 'Z' < 'a' as by_code_point`
  assert.deepEqual({ ...row }, { fsync: 'on', commit: 'on', upper: 'É', version: '18.4', by_code_point: true })
  await sql.end()
  const wrong = postgres(services.urls.postgres.replace(/:[0-9a-f]+@/, ':guess@'), { max: 1 })
  await assert.rejects(wrong`select 1`, /password authentication failed/)
  await wrong.end()
})

test('Redis answers and forgets the least used at 256 MB', async () => {
  const redis = new Redis(services.urls.redis)
  await redis.set('a', '1')
  assert.equal(await redis.get('a'), '1')
  assert.equal(((await redis.config('GET', 'maxmemory-policy')) as string[])[1], 'allkeys-lru')
  await redis.quit()
})

test('Kafka keeps what was sent and makes no topic unasked', async () => {
  const admin = kafka().admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true })
  await admin.disconnect()
  await send('one')
  assert.deepEqual(await messages(1), ['one'])
})

test('the registry gives a schema its id and refuses one that old readers cannot read', async () => {
  const registry = new SchemaRegistry({ host: services.urls.registry })
  const options = { subject, compatibility: COMPATIBILITY.BACKWARD } as const
  const registered = await registry.register({ type: SchemaType.AVRO, schema: JSON.stringify(schema) }, options)
  schemaId = registered.id
  const decoded = (await registry.decode(await registry.encode(schemaId, { height: 4 }))) as { height: number }
  assert.equal(decoded.height, 4)
  const broken = { ...schema, fields: [...schema.fields, { name: 'place', type: 'string' }] }
  await assert.rejects(registry.register({ type: SchemaType.AVRO, schema: JSON.stringify(broken) }, options))
})

test('a mail that was sent can be read', async () => {
  const credentials = { accessKeyId: 'any', secretAccessKey: 'any' }
  const ses = new SESClient({ endpoint: services.urls.ses, region: 'eu-west-1', credentials })
  await ses.send(new VerifyEmailIdentityCommand({ EmailAddress: 'stock@tidemark.example' }))
  const Message = { Subject: { Data: 'Low stock' }, Body: { Text: { Data: 'Two left' } } }
  const Destination = { ToAddresses: ['keeper@tidemark.example'] }
  await ses.send(new SendEmailCommand({ Source: 'stock@tidemark.example', Destination, Message }))
  const data = await (await fetch(`${services.urls.ses}/moto-api/data.json`)).text()
  assert.ok(data.includes('Two left') && data.includes('keeper@tidemark.example'))
})

for (const name of ['kafka', 'postgres'] as const) {
  test(`a killed ${name} comes back by itself with its data`, async () => {
    const killed = services.pid(name)
    assert.ok(killed)
    process.kill(killed, 'SIGKILL')
    while (!said.some(line => line.startsWith(`${name}: running again`))) await sleep(50)
    assert.notEqual(services.pid(name), killed)
    if (name === 'kafka') {
      await send('two')
      assert.deepEqual(await messages(2), ['one', 'two'])
    } else await assertEarlierRow()
  })
}

test('a second run on the same data is refused while the first lives', async () => {
  await assert.rejects(start({ only: ['redis'] }), /in use by process/)
})

test('after a stop nothing runs, and a second start sees the row, the message and the schema id', async () => {
  const pids = (['postgres', 'redis', 'kafka', 'registry', 'ses'] as const).map(name => services.pid(name))
  await services.stop()
  assert.deepEqual(
    pids.map(pid => startOf(pid ?? 0)),
    [undefined, undefined, undefined, undefined, undefined],
  )
  services = await start()
  await assertEarlierRow()
  assert.deepEqual(await messages(2), ['one', 'two'])
  const registry = new SchemaRegistry({ host: services.urls.registry })
  assert.equal(await registry.getLatestSchemaId(subject), schemaId)
})

test('what a killed run leaves behind is ended by the next start', async () => {
  await services.stop()
  const main = join(import.meta.dirname, 'main.ts')
  const run = spawn(process.execPath, [main, '--data', dataDir, '--free-ports'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  for await (const chunk of run.stdout) {
    output += chunk
    if (/^ +ses /m.test(output)) break
  }
  const { children } = JSON.parse(readFileSync(join(dataDir, 'pids.json'), 'utf8')) as {
    children: { pid: number; started: string }[]
  }
  assert.equal(children.length, 5)
  run.kill('SIGKILL')
  await sleep(100)
  assert.ok(
    children.every(({ pid, started }) => startOf(pid) === started),
    'they outlive the killed run',
  )
  services = await start()
  assert.ok(
    children.every(({ pid, started }) => startOf(pid) !== started),
    'the next run ended them',
  )
  await assertEarlierRow()
})

test('a registry without its Postgres fails with the reason and leaves nothing running', async () => {
  const other = await mkdtemp(join(tmpdir(), 'tidemark-services-'))
  const urls = { postgres: 'postgres://nobody:nothing@127.0.0.1:1' }
  await assert.rejects(startServices({ dataDir: other, urls, only: ['registry'], ports: 'free', say }), /ECONNREFUSED/)
  await removeServicesData(other)
})

async function assertEarlierRow(): Promise<void> {
  const sql = postgres(`${services.urls.postgres}/postgres`, { max: 1 })
  assert.deepEqual([...(await sql`select height from tide`)], [{ height: 3 }])
  await sql.end()
}
