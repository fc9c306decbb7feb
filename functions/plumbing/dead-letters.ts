import { z } from 'zod'
import { Rejected } from '../../shared/errors.ts'
import { service } from '../../shared/function/declare.ts'
import { operation } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import { currentWork } from '../../shared/telemetry/context.ts'
import { deadLetterProducer } from './dead-letter-producer.ts'
import { deadLetterTopic, ownTypes } from './dead-letter-records.ts'
import { newestDeadLetters } from './newest-dead-letters.ts'
import { replayDeadLetters } from './replay-dead-letters.ts'
import { reading } from './topic-reader.ts'

const uses = ['kafka'] as const

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
    replayedAt: z.iso.datetime().nullable().meta({ description: 'When it was delivered after all; null while it was not.' }),
  })
  .meta({ id: 'DeadLetter' })

const list = operation<Deps<typeof uses> & { readonly topic: string }>()({
  id: 'dead-letters-list',
  route: 'GET /v1/dead-letters',
  summary: 'List dead letters',
  description: 'Events that no retry could deliver, newest first, with the reason.',
  allow: ['ops:read', 'ops:write'],
  deadline: 20_000,
  input: z.strictObject({
    limit: z.coerce.number().int().min(1).max(1_000).default(100),
    pending: z.enum(['true', 'false']).default('false').meta({ description: 'Only those that were not replayed.' }),
  }),
  output: z.object({ items: z.array(DeadLetter) }).meta({ id: 'DeadLetters' }),
  async handle({ kafka, topic, newId }, { limit, pending }) {
    const deadline = currentWork()?.deadline ?? Date.now() + 20_000
    const from = { kafka, topic, readerId: newId(), deadline: deadline - 1_000 }
    return { items: await reading(from, reader => newestDeadLetters(reader, { limit, pending: pending === 'true' })) }
  },
})

/**
 * Where every source sends what it could not deliver. Warm, and it answers only once all in-sync replicas have the record:
 * after this the source commits its offset, so what is lost here is lost for good.
 */
export const deadLettersIn = (topic: string) =>
  service({
    name: 'dead-letters',
    summary: 'Keep events that could not be delivered, and deliver them again',
    uses,
    config: z.object({ FUNCTION_URL: z.string().includes('{name}').default('http://{name}.tidemark.svc.cluster.local') }),
    scale: { min: 1, max: 2 },
    setup: ({ kafka }) => {
      const producer = deadLetterProducer(kafka, topic)
      return { topic, producer, close: producer.close }
    },
    sink:
      ({ producer }) =>
      async ({ headers, body }) => {
        const event = Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('ce-')))
        if (!event['ce-id'] || !event['ce-type'] || !event['ce-source'])
          throw new Rejected('invalid_input', 'Not a CloudEvent in binary mode.')
        // Else whoever can send here could say of a letter that it was replayed.
        if (event['ce-type'].startsWith(ownTypes))
          throw new Rejected('invalid_input', `${event['ce-type']} is written here only.`)
        const attributes = Object.entries(event).map(([name, value]) => [name.replace('-', '_'), value])
        await producer.send({
          key: event['ce-source'],
          headers: { ...Object.fromEntries(attributes), 'content-type': headers['content-type'] ?? '' },
          value: body,
        })
      },
    operations: [list, replayDeadLetters],
  })

export const deadLetters = deadLettersIn(deadLetterTopic)
