import type { Admin } from 'kafkajs'
import { z } from 'zod'
import type { Database } from '../../shared/data/postgres.ts'
import { Transient } from '../../shared/errors.ts'
import { consumerGroupOf, type Topic } from '../../shared/events/catalog.ts'
import { Count } from '../../shared/fields.ts'
import { service } from '../../shared/function/declare.ts'
import { operation } from '../../shared/function/operation.ts'
import { type Deps, databases } from '../../shared/function/resources.ts'
import { currentWork } from '../../shared/telemetry/context.ts'
import { functions } from '../index.ts'
import { PendingDeadLetters } from './pending-dead-letters.ts'
import { listSetAside, retrySetAside } from './set-aside.ts'

const uses = ['db:inventory', 'db:orders', 'db:payments', 'db:alerts', 'db:notifications', 'kafka'] as const

const Backlog = z
  .object({
    outbox: z.array(
      z.object({
        database: z.string(),
        pending: Count.meta({ description: 'Events not yet sent to Kafka.' }),
        setAside: Count.meta({ description: 'Events that could not be encoded.' }),
      }),
    ),
    consumers: z.array(
      z.object({
        source: z.string(),
        topic: z.string(),
        lag: Count.meta({ description: 'Events not yet handled, or dead-lettered.' }),
      }),
    ),
    deadLetters: Count.meta({ description: 'Events that could not be delivered, and were not replayed since.' }),
    drained: z.boolean().meta({ description: 'Nothing is waiting. Ask twice: between two reads an event may move on.' }),
  })
  .meta({ id: 'Backlog' })

export type BacklogDeps = Deps<typeof uses> & { readonly pendingDeadLetters: PendingDeadLetters }

const backlog = operation<BacklogDeps>()({
  id: 'events-backlog',
  route: 'GET /v1/events/backlog',
  summary: 'What is on its way',
  description: 'How many events wait in each outbox and before each function.',
  allow: ['ops:read'],
  deadline: 20_000,
  input: z.strictObject({}),
  output: Backlog,
  async handle({ db, kafka, pendingDeadLetters }) {
    const deadline = (currentWork()?.deadline ?? Date.now() + 20_000) - 1_000
    const outbox = await Promise.all(databases.map(name => outboxOf(name, db[name])))
    const admin = kafka.admin()
    try {
      await admin.connect()
      const consumers = await Promise.all((await sources()).map(source => lagOf(admin, source)))
      const deadLetters = await pendingDeadLetters.count(deadline)
      const drained = outbox.every(({ pending }) => pending === 0) && consumers.every(({ lag }) => lag === 0)
      return { outbox, consumers, deadLetters, drained }
    } catch (cause) {
      if (cause instanceof Transient) throw cause
      throw new Transient('unavailable', 'Kafka cannot be asked.', { cause })
    } finally {
      await admin.disconnect().catch(() => {})
    }
  },
})

/** What waits between the databases and the functions, and the way back for what was set aside. */
export const eventsBacklog = service({
  name: 'events-backlog',
  summary: 'What is on its way, and what was set aside',
  uses,
  scale: { max: 2 },
  setup: ({ kafka, newId }): { pendingDeadLetters: PendingDeadLetters } => ({
    pendingDeadLetters: new PendingDeadLetters(kafka, newId),
  }),
  operations: [backlog, listSetAside, retrySetAside],
})

/** A row holds one event, or an array of several. */
async function outboxOf(name: string, database: Database) {
  const [counts] = await database.sql<{ pending: number; setAside: number }[]>`
    select (select coalesce(sum(case when data is json array then json_array_length(data::json) else 1 end), 0)::bigint from outbox) as pending,
           (select count(*) from outbox_set_aside) as "setAside"`
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
    committedOffsets(admin, consumerGroupOf(source), topic),
  ])
  const positions = new Map(committed?.partitions.map(({ partition, offset }) => [partition, Number(offset)]))
  const lag = ends.reduce(
    (sum, { partition, high, low }) => sum + Number(high) - Math.max(positions.get(partition) ?? 0, Number(low)),
    0,
  )
  return { source, topic, lag }
}

/** kafkajs tries again what it asks, but not this: a coordinator that has just come up still loads its groups, and says so. */
async function committedOffsets(admin: Admin, groupId: string, topic: Topic) {
  for (let left = 10; ; left--) {
    try {
      return await admin.fetchOffsets({ groupId, topics: [topic] })
    } catch (error) {
      if (left === 0 || !(error as { retriable?: boolean }).retriable) throw error
      await new Promise(resolve => setTimeout(resolve, 200))
    }
  }
}
