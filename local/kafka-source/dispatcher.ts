import type { EachBatchPayload, Kafka, KafkaMessage } from 'kafkajs'
import { cloudEventOf, type Delivery } from './cloud-event.ts'
import { type DeliveryRules, deliver, milliseconds, type SinkAnswer } from './deliver.ts'

/** The fields of a KafkaSource that this stand-in serves. */
export interface KafkaSource {
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly spec: {
    readonly consumerGroup: string
    readonly topics: readonly string[]
    readonly initialOffset: 'earliest' | 'latest'
    readonly ordering: 'ordered' | 'unordered'
    readonly delivery: {
      readonly retry: number
      readonly backoffPolicy: 'exponential' | 'linear'
      readonly backoffDelay: string
      readonly timeout: string
      readonly deadLetterSink?: Sink
    }
    readonly sink: Sink
  }
}

export interface Sink {
  readonly ref?: { readonly kind: string; readonly name: string; readonly namespace?: string }
  readonly uri?: string
}

export interface DispatcherOptions {
  readonly source: KafkaSource
  readonly kafka: Kafka
  /** Where a sink is: what `send` is given, and what a dead letter names as its destination. */
  readonly addressOf: (sink: Sink) => string
  readonly send: (address: string, delivery: Delivery, timeout: number) => Promise<SinkAnswer>
  readonly say: (line: string) => void
}

export interface Dispatcher {
  stop(): Promise<void>
}

/** Events that an unordered source has in flight at once, as the real dispatcher was seen to send. */
const unorderedInFlight = 30
const pauseAfterFailure = 500
/** Well below the session time-out: an event that is tried again and again must not cost the partition. */
const heartbeatEvery = 2_000

/** Serves one KafkaSource: a stand-in for the dispatcher, keeping its delivery rules. */
export function startDispatcher(options: DispatcherOptions): Dispatcher {
  let stopped = false
  const wake = new AbortController()
  const done = (async () => {
    while (!stopped) {
      try {
        await consume(options, () => stopped, wake.signal)
      } catch (error) {
        if (!stopped) options.say(`${options.source.metadata.name}: ${(error as Error).message}; consuming again`)
        await sleep(pauseAfterFailure, wake.signal)
      }
    }
  })()
  return {
    async stop() {
      stopped = true
      wake.abort()
      await done
    },
  }
}

/** Consumes until the dispatcher is stopped or the consumer has crashed. */
async function consume(options: DispatcherOptions, stopped: () => boolean, signal: AbortSignal): Promise<void> {
  const { source, kafka } = options
  const { consumerGroup, topics, initialOffset, ordering, delivery } = source.spec
  const consumer = kafka.consumer({
    groupId: consumerGroup,
    allowAutoTopicCreation: false,
    sessionTimeout: 10_000,
    rebalanceTimeout: 15_000,
    heartbeatInterval: heartbeatEvery,
    maxWaitTimeInMs: 100,
    maxBytesPerPartition: 256 * 1024,
    retry: { retries: 3, initialRetryTime: 100, maxRetryTime: 1_000, restartOnFailure: async () => false },
  })
  const { promise: ended, reject } = Promise.withResolvers<never>()
  // It may crash while it is still starting, before anybody waits for it.
  ended.catch(() => {})
  consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error))
  const rules: DeliveryRules = {
    ...delivery,
    backoffDelay: milliseconds(delivery.backoffDelay),
    timeout: milliseconds(delivery.timeout),
  }
  const slots = new Slots(ordering === 'ordered' ? Number.POSITIVE_INFINITY : unorderedInFlight)
  try {
    await consumer.connect()
    await consumer.subscribe({ topics: [...topics], fromBeginning: initialOffset === 'earliest' })
    await consumer.run({
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 64,
      eachBatch: batch => handleBatch(batch, ordering, slots, message => one(message, batch)),
    })
    await Promise.race([ended, aborted(signal)])
  } finally {
    await consumer.disconnect().catch(() => {})
  }

  async function one(message: KafkaMessage, { batch }: EachBatchPayload): Promise<boolean> {
    const event = cloudEventOf(message, { ...source.metadata, topic: batch.topic, partition: batch.partition })
    const destination = options.addressOf(source.spec.sink)
    const burial = delivery.deadLetterSink && options.addressOf(delivery.deadLetterSink)
    const outcome = await deliver(event, rules, {
      destination,
      send: (letter, timeout) => options.send(destination, letter, timeout),
      ...(burial && { bury: (letter, timeout) => options.send(burial, letter, timeout) }),
      pause: wait => sleep(wait, signal),
      stopped,
    })
    if (outcome === 'dead-lettered' || outcome === 'lost') {
      options.say(`${source.metadata.name}: event ${event.headers['ce-id']} was ${outcome}`)
    }
    return outcome !== 'stopped'
  }
}

/** Works through a batch in order or with many in flight, and resolves offsets up to the first that is not done. */
async function handleBatch(
  payload: EachBatchPayload,
  ordering: 'ordered' | 'unordered',
  slots: Slots,
  one: (message: KafkaMessage) => Promise<boolean>,
): Promise<void> {
  const { batch, heartbeat, resolveOffset, isRunning, isStale } = payload
  // The group is being shared out anew: what is done so far is committed before somebody else begins behind it.
  let leaving = false
  const left = () => {
    leaving = true
  }
  const beat = setInterval(() => void heartbeat().catch(left), heartbeatEvery)
  const done: boolean[] = []
  let resolved = 0
  const settle = (index: number, ok: boolean) => {
    done[index] = ok
    while (done[resolved]) resolveOffset((batch.messages[resolved++] as KafkaMessage).offset)
  }
  try {
    const inFlight: Promise<void>[] = []
    for (const [index, message] of batch.messages.entries()) {
      if (!isRunning() || isStale() || leaving) break
      await slots.take()
      const work = one(message)
        .then(ok => settle(index, ok))
        .finally(() => slots.give())
      if (ordering === 'unordered') {
        inFlight.push(work)
        continue
      }
      await work
      if (!done[index]) break
    }
    await Promise.all(inFlight)
  } finally {
    clearInterval(beat)
  }
}

/** So many at once. */
class Slots {
  #free: number
  readonly #waiting: (() => void)[] = []
  constructor(count: number) {
    this.#free = count
  }
  take(): Promise<void> | undefined {
    if (this.#free > 0) {
      this.#free--
      return undefined
    }
    return new Promise(resolve => this.#waiting.push(resolve))
  }
  give(): void {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#free++
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })

function sleep(wait: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const finish = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', finish)
      resolve()
    }
    const timer = setTimeout(finish, wait)
    if (signal.aborted) finish()
    else signal.addEventListener('abort', finish)
  })
}
