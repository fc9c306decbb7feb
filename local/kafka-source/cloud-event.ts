import type { KafkaMessage } from 'kafkajs'

export interface Delivery {
  readonly headers: Record<string, string>
  readonly body: Buffer
}

const required = ['ce_id', 'ce_type', 'ce_source', 'ce_specversion']

/**
 * A Kafka record as KafkaSource delivers it (seen on eventing-kafka-broker 0.49.2): a record with complete `ce_*` headers is that
 * event in binary mode, its bytes unchanged, and loses its key and all other headers; another one becomes `dev.knative.kafka.event`.
 */
export function cloudEventOf(
  message: KafkaMessage,
  place: { name: string; namespace?: string; topic: string; partition: number },
): Delivery {
  const given = Object.fromEntries(
    Object.entries(message.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]),
  )
  const body = message.value ?? Buffer.alloc(0)
  const position = { 'ce-knativekafkapartition': String(place.partition), 'ce-knativekafkaoffset': message.offset }
  if (required.every(name => given[name])) {
    const attributes = Object.entries(given).filter(([name]) => name.startsWith('ce_'))
    return {
      headers: {
        ...Object.fromEntries(attributes.map(([name, value]) => [name.replace('_', '-'), value])),
        ...(given['content-type'] && { 'content-type': given['content-type'] }),
        ...position,
      },
      body,
    }
  }
  const others = Object.entries(given).map(([name, value]) => [`ce-kafkaheader${name.replace(/[^a-z0-9]/g, '')}`, value])
  return {
    headers: {
      'ce-specversion': '1.0',
      'ce-type': 'dev.knative.kafka.event',
      'ce-source': `/apis/v1/namespaces/${place.namespace ?? 'tidemark'}/kafkasources/${place.name}#${place.topic}`,
      'ce-id': `partition:${place.partition}/offset:${message.offset}`,
      'ce-time': new Date(Number(message.timestamp)).toISOString(),
      'ce-subject': `partition:${place.partition}#${message.offset}`,
      ...(message.key && { 'ce-key': message.key.toString() }),
      ...Object.fromEntries(others),
      ...position,
    },
    body,
  }
}
