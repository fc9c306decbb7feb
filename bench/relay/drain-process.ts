import type { Kafka, Producer, ProducerBatch } from 'kafkajs'
import { openDatabase } from '../../shared/data/postgres.ts'
import { eventCodec } from '../../shared/events/codec.ts'
import { openKafka } from '../../shared/events/kafka.ts'
import { relay } from '../../shared/events/relay.ts'

export interface Job {
  /** `alone` sends with a producer the batches that the relay would have sent: they are made before the clock starts. */
  kind: 'relay' | 'alone'
  databaseUrl: string
  brokers: string
  registryUrl: string
  events: number
  /** The first events, of which the clock knows nothing: connections, schemas, compiling. */
  warmUp: number
  batch: number
}

process.once('message', (job: Job) => {
  const work = job.kind === 'relay' ? relayed(job, openKafka({ brokers: job.brokers, service: 'bench' })) : alone(job)
  work.then(
    seconds => process.send?.({ perSecond: (job.events - job.warmUp) / seconds }, () => process.exit(0)),
    (error: Error) => process.send?.({ error: error.message }, () => process.exit(1)),
  )
})

/** Seconds in which the relay sends all events after the first `warmUp`. */
async function relayed(job: Job, kafka: Kafka): Promise<number> {
  const database = openDatabase({ url: job.databaseUrl, pool: 1, service: 'bench' })
  const done = new AbortController()
  let sent = 0
  let began = 0
  let ended = 0
  let failure: unknown
  await relay(
    {
      name: 'inventory',
      database,
      kafka,
      codec: eventCodec(job.registryUrl),
      batch: job.batch,
      metrics: {
        sent(count) {
          sent += count
          if (began === 0 && sent >= job.warmUp) began = performance.now()
          if (sent >= job.events) {
            ended = performance.now()
            done.abort()
          }
        },
        setAside() {
          failure = new Error('An event was set aside.')
          done.abort()
        },
        failed(error) {
          failure = error
          done.abort()
        },
        active() {},
      },
    },
    done.signal,
  )
  await database.close()
  if (failure) throw failure
  return (ended - began) / 1_000
}

/** What the relay hands to its producer, kept instead of sent. */
async function batchesOf(job: Job): Promise<ProducerBatch[]> {
  const batches: ProducerBatch[] = []
  const keeping = {
    connect: async () => {},
    disconnect: async () => {},
    sendBatch: async (batch: ProducerBatch) => {
      batches.push(batch)
      return []
    },
  }
  await relayed(job, { producer: () => keeping as unknown as Producer } as Kafka)
  return batches
}

async function alone(job: Job): Promise<number> {
  const batches = await batchesOf(job)
  const producer = openKafka({ brokers: job.brokers, service: 'bench' }).producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
  })
  await producer.connect()
  const uncounted = Math.ceil(job.warmUp / job.batch)
  let began = performance.now()
  for (const [index, batch] of batches.entries()) {
    if (index === uncounted) began = performance.now()
    await producer.sendBatch(batch)
  }
  const seconds = (performance.now() - began) / 1_000
  await producer.disconnect()
  return seconds
}
