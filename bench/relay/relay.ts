import { Kafka, logLevel } from 'kafkajs'
import { databaseUrl } from '../../local/settings.ts'
import { partitions, topics } from '../../shared/events/catalog.ts'
import { alternate, compared, progress, type Result } from '../measure.ts'
import { openStage } from '../stage.ts'
import { measureDelay } from './delay.ts'
import { drain } from './drain.ts'
import { fillOutbox } from './fill.ts'

const rounds = 5
const events = 50_000
const warmUp = 10_000
/** As the outbox-relay function is configured by itself. */
const batch = 1_000

/** From the outbox to Kafka. */
export async function relayBench(): Promise<readonly Result[]> {
  const stage = await openStage(['postgres', 'kafka', 'registry'])
  const kafka = new Kafka({ clientId: 'bench', brokers: stage.urls.kafka.split(','), logLevel: logLevel.NOTHING })
  try {
    await createTopics(kafka)
    const url = databaseUrl(stage.urls.postgres, 'inventory')
    const job = { databaseUrl: url, brokers: stage.urls.kafka, registryUrl: stage.urls.registry, events, warmUp, batch }
    const run = (kind: 'relay' | 'alone') => async () => {
      await fillOutbox(url, events)
      return (await drain({ ...job, kind })).perSecond
    }
    progress(`${events} events of an outbox in batches of ${batch}, a second:`)
    const sides = { relay: run('relay'), producer: run('alone') }
    await sides.relay()
    const measured = await alternate(rounds, sides, progress)
    return [
      compared('events from outbox to Kafka against a producer alone', '/s', measured, 'relay', 'producer', { atLeast: 0.7 }),
      ...(await measureDelay(stage, kafka)),
    ]
  } finally {
    await stage.close()
  }
}

async function createTopics(kafka: Kafka): Promise<void> {
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: topics.map(topic => ({ topic, numPartitions: partitions })), waitForLeaders: true })
  await admin.disconnect()
}
