import { Kafka, logLevel } from 'kafkajs'

/** Kafka behind one small door: kafkajs is slowly maintained, and this is where another client would come in. */
export function openKafka(options: { brokers: string; service: string }): Kafka {
  return new Kafka({
    clientId: options.service,
    brokers: options.brokers.split(','),
    connectionTimeout: 3_000,
    requestTimeout: 10_000,
    retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: 8 },
    // Its own log repeats what the callers report, and shouts while a coordinator is cold.
    logLevel: logLevel.NOTHING,
  })
}
