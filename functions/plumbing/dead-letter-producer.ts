import type { Kafka, Message, Producer } from 'kafkajs'
import { Transient } from '../../shared/errors.ts'

export interface DeadLetterProducer {
  /** Settles once all in-sync replicas have the record. @returns its offset */
  send(message: Message): Promise<number>
  close(): Promise<void>
}

/** Connects with the first record, and again after a failure. */
export function deadLetterProducer(kafka: Kafka, topic: string): DeadLetterProducer {
  let connected: Promise<Producer> | undefined
  const connect = async () => {
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false })
    await producer.connect()
    return producer
  }
  return {
    async send(message) {
      connected ??= connect()
      const used = connected
      try {
        const [written] = await (await used).send({ topic, acks: -1, timeout: 10_000, messages: [message] })
        return Number(written?.baseOffset)
      } catch (cause) {
        if (connected === used) connected = undefined
        void used.then(producer => producer.disconnect()).catch(() => {})
        throw new Transient('unavailable', 'The dead letter could not be kept.', { cause })
      }
    },
    close: async () => (await connected)?.disconnect(),
  }
}
