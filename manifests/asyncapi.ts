import { readFileSync } from 'node:fs'
import { consumerGroupOf, partitions } from '../shared/events/catalog.ts'
import { declaredFunctions } from './declared.ts'
import { eventTypeOf, readEventSchemas } from './event-types.ts'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }

const messageName = (type: string): string => type.replaceAll('.', '-')

/** asyncapi.json: the topics, the events they carry, and the functions that receive them. */
export async function asyncapiDocument(): Promise<unknown> {
  const schemas = readEventSchemas()
  const topics = [...new Set(schemas.map(schema => schema.topic))].sort()
  const receivers = (await declaredFunctions()).flatMap(({ name, summary, trigger }) =>
    trigger ? [{ name, summary, trigger }] : [],
  )
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Tidemark events',
      version,
      description:
        'CloudEvents in binary mode on Kafka: the attributes are `ce_*` headers, the value is Avro in the Confluent wire format, the key is the entity. Schemas evolve BACKWARD compatibly; another meaning is another type.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: 'application/avro',
    servers: { kafka: { host: 'kafka-kafka-bootstrap.kafka:9092', protocol: 'kafka' } },
    channels: Object.fromEntries(
      topics.map(topic => [
        topic,
        {
          address: topic,
          bindings: { kafka: { topic, partitions, bindingVersion: '0.5.0' } },
          messages: Object.fromEntries(
            schemas
              .filter(schema => schema.topic === topic)
              .map(eventTypeOf)
              .map(type => [messageName(type), { $ref: `#/components/messages/${messageName(type)}` }]),
          ),
        },
      ]),
    ),
    operations: {
      ...Object.fromEntries(
        topics.map(topic => [
          `send-${topic}`,
          {
            action: 'send',
            channel: { $ref: `#/channels/${topic}` },
            summary: 'By the relay, from the outbox of the transaction that made it true.',
          },
        ]),
      ),
      ...Object.fromEntries(
        receivers.map(({ name, summary, trigger }) => [
          name,
          {
            action: 'receive',
            channel: { $ref: `#/channels/${trigger.topic}` },
            summary,
            bindings: { kafka: { groupId: { type: 'string', enum: [consumerGroupOf(name)] }, bindingVersion: '0.5.0' } },
            messages: trigger.types.map(type => ({ $ref: `#/channels/${trigger.topic}/messages/${messageName(type)}` })),
          },
        ]),
      ),
    },
    components: {
      messages: Object.fromEntries(
        schemas.map(({ topic, key, ...schema }) => [
          messageName(eventTypeOf(schema as never)),
          {
            name: eventTypeOf(schema as never),
            title: schema.doc,
            contentType: 'application/avro',
            bindings: {
              kafka: {
                key: { type: 'string', description: `\`${key}\`` },
                schemaIdLocation: 'payload',
                schemaIdPayloadEncoding: 'confluent',
                bindingVersion: '0.5.0',
              },
            },
            headers: { $ref: '#/components/schemas/CloudEventHeaders' },
            payload: { schemaFormat: 'application/vnd.apache.avro+json;version=1.9.0', schema },
          },
        ]),
      ),
      schemas: {
        CloudEventHeaders: {
          type: 'object',
          required: [
            'ce_specversion',
            'ce_id',
            'ce_type',
            'ce_source',
            'ce_subject',
            'ce_time',
            'ce_partitionkey',
            'content-type',
          ],
          properties: {
            ce_specversion: { type: 'string', const: '1.0' },
            ce_id: { type: 'string', format: 'uuid', description: 'The same at every delivery of the event.' },
            ce_type: { type: 'string' },
            ce_source: { type: 'string', description: '/tidemark/DATABASE' },
            ce_subject: { type: 'string', description: 'The entity; the record’s key.' },
            ce_partitionkey: { type: 'string' },
            ce_time: { type: 'string', format: 'date-time' },
            ce_traceparent: { type: 'string', description: 'W3C Trace Context of the request that made it true.' },
            'content-type': { type: 'string', const: 'application/avro' },
          },
        },
      },
    },
  }
}
