import type { Admin } from 'kafkajs'
import { z } from 'zod'
import type { Database } from '../../shared/data/postgres.ts'
import { Transient } from '../../shared/errors.ts'
import { consumerGroupOf, type Topic } from '../../shared/events/catalog.ts'
import { Count } from '../../shared/fields.ts'
import { http } from '../../shared/function/declare.ts'
import { databases } from '../../shared/function/resources.ts'
import { functions } from '../index.ts'

const Backlog = z
  .object({
    outbox: z.array(
      z.object({
        database: z.string(),
        pending: Count.meta({ description: 'Events not yet sent to Kafka.' }),
        setAside: Count.meta({ description: 'Events that cannot be encoded.' }),
      }),
    ),
    consumers: z.array(
      z.object({
        source: z.string(),
        topic: z.string(),
        lag: Count.meta({ description: 'Events not yet handled, or dead-lettered.' }),
      }),
    ),
    deadLetters: Count,
    drained: z.boolean().meta({ description: 'Nothing is waiting. Ask twice: between two reads an event may move on.' }),
  })
  .meta({ id: 'Backlog' })

export const eventsBacklog = http({
  name: 'events-backlog',
  route: 'GET /v1/events/backlog',
  summary: 'What is on its way',
  description: 'How many events wait in each outbox and before each function.',
  allow: ['ops:read'],
  uses: ['db:inventory', 'db:orders', 'db:payments', 'db:alerts', 'db:notifications', 'kafka'],
  scale: { max: 2 },
  input: z.strictObject({}),
  output: Backlog,
  async handle({ db, kafka }) {
    const outbox = await Promise.all(databases.map(name => outboxOf(name, db[name])))
    const admin = kafka.admin()
    try {
      await admin.connect()
      const consumers = await Promise.all((await sources()).map(source => lagOf(admin, source)))
      const deadLetters = await recordsOf(admin, 'dead-letters')
      const drained = outbox.every(({ pending }) => pending === 0) && consumers.every(({ lag }) => lag === 0)
      return { outbox, consumers, deadLetters, drained }
    } catch (cause) {
      throw new Transient('unavailable', 'Kafka cannot be asked.', { cause })
    } finally {
      await admin.disconnect().catch(() => {})
    }
  },
})

async function outboxOf(name: string, database: Database) {
  const [counts] = await database.sql<{ pending: number; setAside: number }[]>`
    select (select count(*) from outbox) as pending, (select count(*) from outbox_set_aside) as "setAside"`
  return { database: name, ...(counts as { pending: number; setAside: number }) }
}

/** Every function that handles events, from their declarations. */
async function sources(): Promise<{ source: string; topic: Topic }[]> {
  const declared = await Promise.all(Object.values(functions).map(load => load()))
  return declared.flatMap(({ name, trigger }) => (trigger ? [{ source: name, topic: trigger.topic }] : []))
}

async function lagOf(admin: Admin, { source, topic }: { source: string; topic: Topic }) {
  const [ends, [committed]] = await Promise.all([
    admin.fetchTopicOffsets(topic),
    admin.fetchOffsets({ groupId: consumerGroupOf(source), topics: [topic] }),
  ])
  const positions = new Map(committed?.partitions.map(({ partition, offset }) => [partition, Number(offset)]))
  const lag = ends.reduce(
    (sum, { partition, high, low }) => sum + Number(high) - Math.max(positions.get(partition) ?? 0, Number(low)),
    0,
  )
  return { source, topic, lag }
}

async function recordsOf(admin: Admin, topic: Topic): Promise<number> {
  const ends = await admin.fetchTopicOffsets(topic)
  return ends.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0)
}
