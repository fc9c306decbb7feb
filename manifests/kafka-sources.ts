import { stringify } from 'yaml'
import { consumerGroupOf, partitions, topics } from '../shared/events/catalog.ts'
import type { TidemarkFunction } from '../shared/function/declare.ts'

const knativeService = (name: string) => ({ ref: { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name } })

/**
 * The KafkaSource of an event function. Every delivery field is written, for the defaults apply only when all are absent,
 * and then a poison record blocks its partition for ten minutes.
 */
export function kafkaSource(fn: TidemarkFunction): string | undefined {
  if (!fn.trigger) return undefined
  const { topic, order, delivery, types } = fn.trigger
  const source = {
    apiVersion: 'sources.knative.dev/v1',
    kind: 'KafkaSource',
    metadata: { name: fn.name, labels: { 'app.kubernetes.io/name': fn.name, 'app.kubernetes.io/part-of': 'tidemark' } },
    spec: {
      consumerGroup: consumerGroupOf(fn.name),
      bootstrapServers: ['kafka-kafka-bootstrap.kafka:9092'],
      topics: [topic],
      initialOffset: 'earliest',
      ordering: order,
      consumers: 1,
      delivery: { ...delivery, deadLetterSink: knativeService('dead-letters') },
      sink: knativeService(fn.name),
    },
  }
  const comment = `# ${fn.summary}. Derived by \`npm run manifests\`. Handles ${types.join(', ')}; answers 204 to other types.\n`
  return comment + stringify(source, { lineWidth: 0 })
}

/** Days that records are kept: a consumer that was lost can read them again. Dead letters stay until somebody has looked. */
const retentionDays = { standard: 7, 'dead-letters': 90 }

export function kafkaTopics(): string {
  const resources = topics.map(name => ({
    apiVersion: 'kafka.strimzi.io/v1',
    kind: 'KafkaTopic',
    metadata: { name, namespace: 'kafka', labels: { 'strimzi.io/cluster': 'kafka' } },
    spec: {
      partitions,
      replicas: 3,
      config: {
        'min.insync.replicas': 2,
        'retention.ms': (name === 'dead-letters' ? retentionDays['dead-letters'] : retentionDays.standard) * 86_400_000,
      },
    },
  }))
  return `# Derived by \`npm run manifests\` from shared/events/schemas.\n${resources.map(resource => stringify(resource)).join('---\n')}`
}
