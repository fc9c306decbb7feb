import type { Kafka, Producer } from 'kafkajs'
import { z } from 'zod'
import { Rejected, Transient } from '../../shared/errors.ts'
import { service } from '../../shared/function/declare.ts'
import { operation } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import { newestDeadLetters } from './newest-dead-letters.ts'

const uses = ['kafka'] as const

export const deadLetterTopic = 'dead-letters'

const DeadLetter = z
  .object({
    partition: z.int(),
    offset: z.string(),
    id: z.string(),
    type: z.string(),
    source: z.string(),
    subject: z.string().nullable(),
    destination: z.string().nullable().meta({ description: 'Where it could not be delivered.' }),
    status: z.string().nullable().meta({ description: 'What the destination answered.' }),
    error: z.string().nullable().meta({ description: 'The beginning of the answer.' }),
    at: z.iso.datetime(),
  })
  .meta({ id: 'DeadLetter' })

const list = operation<Deps<typeof uses>>()({
  id: 'dead-letters-list',
  route: 'GET /v1/dead-letters',
  summary: 'List dead letters',
  description: 'Events that no retry could deliver, newest first, with the reason.',
  allow: ['ops:read'],
  deadline: 20_000,
  input: z.strictObject({ limit: z.coerce.number().int().min(1).max(1_000).default(100) }),
  output: z.object({ items: z.array(DeadLetter) }).meta({ id: 'DeadLetters' }),
  handle: async ({ kafka, newId }, { limit }) => ({ items: await newestDeadLetters(kafka, deadLetterTopic, limit, newId()) }),
})

/**
 * Where every source sends what it could not deliver. Warm, and it answers only once all in-sync replicas have the record:
 * after this the source commits its offset, so what is lost here is lost for good.
 */
export const deadLetters = service({
  name: 'dead-letters',
  summary: 'Keep events that could not be delivered',
  uses,
  scale: { min: 1, max: 2 },
  setup: ({ kafka }) => {
    const producer = lazyProducer(kafka)
    return { producer, close: producer.close }
  },
  sink:
    ({ producer }) =>
    async ({ headers, body }) => {
      const event = Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('ce-')))
      if (!event['ce-id'] || !event['ce-type'] || !event['ce-source'])
        throw new Rejected('invalid_input', 'Not a CloudEvent in binary mode.')
      const attributes = Object.entries(event).map(([name, value]) => [name.replace('-', '_'), value])
      await producer.send(
        event['ce-source'],
        { ...Object.fromEntries(attributes), 'content-type': headers['content-type'] ?? '' },
        body,
      )
    },
  operations: [list],
})

function lazyProducer(kafka: Kafka) {
  let connected: Promise<Producer> | undefined
  const connect = async () => {
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false })
    await producer.connect()
    return producer
  }
  return {
    async send(key: string, headers: Record<string, string>, value: Buffer) {
      connected ??= connect()
      const used = connected
      try {
        await (await used).send({ topic: deadLetterTopic, acks: -1, timeout: 10_000, messages: [{ key, headers, value }] })
      } catch (cause) {
        if (connected === used) connected = undefined
        void used.then(producer => producer.disconnect()).catch(() => {})
        throw new Transient('unavailable', 'The dead letter could not be kept.', { cause })
      }
    },
    close: async () => (await connected)?.disconnect(),
  }
}
