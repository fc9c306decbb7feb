import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import postgres from 'postgres'
import { parse } from 'yaml'
import { type Dispatcher, type KafkaSource, startDispatcher } from '../../local/kafka-source/dispatcher.ts'
import { startTwilio } from '../../local/providers/twilio.ts'
import { databaseUrl, localSecrets } from '../../local/settings.ts'
import { partitions, topics } from '../../shared/events/catalog.ts'
import { exchange } from '../../shared/function/exchange.ts'
import { absolute, alternate, compared, progress, quantile, type Result, shown } from '../measure.ts'
import { openStage, type Process, type Stage } from '../stage.ts'
import { fillMessages, makeRecipient, type Recipient } from './fill.ts'

const rounds = 3
const backlog = 1_000
const rate = 100
const seconds = 10
/** Times a second that messages are planned: a group of alerts comes together. */
const steps = 10

/** From a planned message to the provider that has taken it: outbox, relay, Kafka, dispatcher, function, Twilio's SDK, settled row. */
export async function notificationsBench(): Promise<readonly Result[]> {
  const stage = await openStage(['postgres', 'redis', 'kafka', 'registry'])
  const twilio = await startTwilio()
  const sql = postgres(databaseUrl(stage.urls.postgres, 'notifications'), { max: 2, onnotice: () => {} })
  const kafka = new Kafka({ clientId: 'bench', brokers: stage.urls.kafka.split(','), logLevel: logLevel.NOTHING })
  try {
    await createTopics(kafka)
    const recipient = await makeRecipient(sql, localSecrets(stage.folder).sealingKeys)
    const sending = await stage.start('notifications-send', {
      extra: {
        ...{ TWILIO_ACCOUNT_SID: twilio.accountSid, TWILIO_AUTH_TOKEN: twilio.authToken, TWILIO_URL: twilio.url },
        ...{ TWILIO_FROM: '+15005550006', RATE_SMS: '0' },
      },
    })
    const empty = await startEmpty(stage)
    await stage.start('outbox-relay')
    const drained = (by: Process, group: string) => drainedPerSecond(kafka, by, group)
    // A dispatcher that is stopped has some more in flight than are counted.
    await fillMessages(sql, (rounds + 1) * backlog, recipient)
    progress(`${backlog} messages that wait in Kafka, a second:`)
    const sides = { send: () => drained(sending, 'bench-send'), empty: () => drained(empty, 'bench-empty') }
    const began = await cpuMilliseconds(sending.pid)
    const measured = await alternate(rounds, sides, progress)
    const cpu = ((await cpuMilliseconds(sending.pid)) - began) / (rounds * backlog)
    const more = await sustained({ kafka, sending, sql, recipient })
    const unsent = await sql<{ count: number }[]>`select count(*)::int as count from notification where state <> 'sent'`
    return [
      compared('messages sent against an empty handler on the same path', '/s', measured, 'send', 'empty', { atLeast: 0.2 }),
      absolute('messages a second through one instance', '/s', Math.min(...measured.map(({ send }) => send)), { atLeast: rate }),
      absolute('processor time of the function for a message', 'ms', cpu, { atMost: 6 }),
      ...more,
      absolute('messages left unsent, or sent twice', '', (unsent[0]?.count ?? 0) + doubles(twilio.taken), { atMost: 0 }),
    ]
  } finally {
    await sql.end()
    await twilio.close()
    await stage.close()
  }
}

/** What all threads of a process have had of the processor: it says the same on a machine that is busy with other things. */
async function cpuMilliseconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
  // utime and stime, in hundredths of a second.
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** Every message carries the same words here: more were taken than there are rows when one was sent twice. */
const doubles = (taken: readonly { sid: string }[]): number => taken.length - new Set(taken.map(({ sid }) => sid)).size

async function startEmpty(stage: Stage): Promise<Process> {
  const file = join(import.meta.dirname, 'empty-function.ts')
  return stage.startProgram('empty', [process.execPath, file], { SCHEMA_REGISTRY_URL: stage.urls.registry, LOG_LEVEL: 'warn' })
}

async function createTopics(kafka: Kafka): Promise<void> {
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: topics.map(topic => ({ topic, numPartitions: partitions })), waitForLeaders: true })
  await admin.disconnect()
}

/** The source that a cluster is given, served to a function by a group of its own. */
function dispatch(kafka: Kafka, to: Process, group: string, answered: (began: number) => void): Dispatcher {
  const file = new URL('../../kafka-sources/notifications-send.yaml', import.meta.url)
  const source = parse(readFileSync(file, 'utf8')) as KafkaSource
  return startDispatcher({
    source: { ...source, spec: { ...source.spec, consumerGroup: group } },
    kafka,
    addressOf: ({ ref }) => ref?.name ?? '',
    send: async (_name, { headers, body }, timeout) => {
      const began = performance.now()
      const answer = await exchange({ url: `http://127.0.0.1:${to.port}/`, method: 'POST', headers, body, timeout })
      if (answer.status === 204) answered(began)
      return { status: answer.status, body: answer.body.toString() }
    },
    say: progress,
  })
}

/** Events a second, from the first that is given to the function to the last answer. Joining the group is none of it. */
async function drainedPerSecond(kafka: Kafka, by: Process, group: string): Promise<number> {
  let first = Number.POSITIVE_INFINITY
  let last = 0
  let count = 0
  const dispatcher = dispatch(kafka, by, group, began => {
    first = Math.min(first, began)
    last = performance.now()
    count++
  })
  try {
    const end = performance.now() + 60_000
    while (count < backlog && performance.now() < end) await new Promise(resolve => setTimeout(resolve, 20))
    if (count < backlog) throw new Error(`${count} of ${backlog} events were handled in a minute.`)
    return count / ((last - first) / 1_000)
  } finally {
    await dispatcher.stop()
  }
}

/** Messages planned evenly, and how long each took from its row to the provider. */
async function sustained(given: { kafka: Kafka; sending: Process; sql: postgres.Sql; recipient: Recipient }): Promise<Result[]> {
  const { kafka, sending, sql, recipient } = given
  const dispatcher = dispatch(kafka, sending, 'bench-send', () => {})
  try {
    // The group has to be joined before, and what the rounds have left has to be gone.
    await fillMessages(sql, 1, recipient)
    await until(async () => (await sql`select 1 from notification where state <> 'sent' limit 1`).length === 0)
    const ids: string[] = []
    const start = performance.now()
    for (let step = 0; step < seconds * steps; step++) {
      ids.push(...(await fillMessages(sql, rate / steps, recipient)))
      const next = start + ((step + 1) * 1_000) / steps
      await new Promise(resolve => setTimeout(resolve, Math.max(next - performance.now(), 0)))
    }
    const planned = ids.length / ((performance.now() - start) / 1_000)
    const ended = performance.now()
    await until(async () => {
      const [row] = await sql<{ left: number }[]>`
        select count(*)::int as left from notification where id = any (${ids}::uuid[]) and state <> 'sent'`
      return row?.left === 0
    })
    const drain = performance.now() - ended
    const delays = await sql<{ ms: number }[]>`
      select extract(epoch from updated_at - created_at)::float8 * 1000 as ms from notification where id = any (${ids}::uuid[])`
    const took = delays.map(({ ms }) => ms)
    progress(`  ${shown(planned)}/s planned for ${seconds} s; the last was sent ${Math.round(drain)} ms after it was planned`)
    const each = (share: number, atMost: number) =>
      absolute(`planned to sent at ${rate}/s, p${share * 100}`, 'ms', quantile(took, share), { atMost })
    return [
      each(0.5, 250),
      each(0.95, 1_000),
      absolute(`lag drained after ${seconds} s of ${rate}/s`, 'ms', drain, { atMost: 1_000 }),
    ]
  } finally {
    await dispatcher.stop()
  }
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 30_000
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error('The messages were not sent within 30 s.')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
