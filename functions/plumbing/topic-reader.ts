import type { Admin, Consumer, Kafka, KafkaMessage } from 'kafkajs'
import { Transient } from '../../shared/errors.ts'

/** Records of one partition: from `from`, up to but without `to`. */
export interface Stretch {
  readonly partition: number
  readonly from: number
  readonly to: number
}

export type EachRecord = (partition: number, message: KafkaMessage) => void

/**
 * Reads stretches of a topic by a consumer that leaves nothing behind: no position, and no group once it is closed.
 * It joins with the first stretch that holds anything (on a cluster that takes Kafka's group.initial.rebalance.delay.ms, 3 s), and
 * stays for the next.
 */
export class TopicReader {
  readonly #kafka: Kafka
  readonly #topic: string
  readonly #groupId: string
  readonly #deadline: number
  #admin: Promise<Admin> | undefined
  #consumer: Promise<Consumer> | undefined
  #take: EachRecord | undefined

  constructor(options: { kafka: Kafka; topic: string; readerId: string; deadline: number }) {
    this.#kafka = options.kafka
    this.#topic = options.topic
    this.#groupId = `tidemark.reader.${options.readerId}`
    this.#deadline = options.deadline
  }

  /** Every partition as it is now: from the first record that is kept to the end, or from the first that is not older than `since`. */
  async whole(since?: Date): Promise<Stretch[]> {
    const admin = await this.#connectedAdmin()
    const [ends, begins] = await Promise.all([
      admin.fetchTopicOffsets(this.#topic),
      since && admin.fetchTopicOffsetsByTimestamp(this.#topic, since.getTime()),
    ])
    const first = new Map(begins?.map(({ partition, offset }) => [partition, Number(offset)]))
    return ends.map(({ partition, low, high }) => ({
      partition,
      from: Math.max(first.get(partition) ?? 0, Number(low)),
      to: Number(high),
    }))
  }

  /**
   * Gives `each` every record of the stretches once, in order for each partition.
   * @throws Transient when they could not be read before the deadline
   */
  async read(stretches: readonly Stretch[], each: EachRecord): Promise<void> {
    const wanted = stretches.filter(({ from, to }) => to > from)
    if (wanted.length === 0) return
    const unread = new Map(wanted.map(({ partition, from, to }) => [partition, { next: from, to }]))
    const { promise: complete, resolve, reject } = Promise.withResolvers<void>()
    complete.catch(() => {})
    const late = () => reject(new Transient('deadline_exceeded', `The topic ${this.#topic} could not be read in time.`))
    const timer = setTimeout(late, Math.max(this.#deadline - Date.now(), 1))
    this.#take = (partition, message) => {
      const stretch = unread.get(partition)
      // What was fetched before the seek comes again after it, and what lies between would be missed.
      if (!stretch || Number(message.offset) !== stretch.next) return
      stretch.next++
      each(partition, message)
      if (stretch.next === stretch.to) unread.delete(partition)
      if (unread.size === 0) resolve()
    }
    try {
      const consumer = await Promise.race([this.#running(), complete.then(() => undefined)])
      for (const { partition, from } of wanted) consumer?.seek({ topic: this.#topic, partition, offset: String(from) })
      await complete
    } finally {
      clearTimeout(timer)
      this.#take = undefined
    }
  }

  async close(): Promise<void> {
    await this.#consumer?.then(consumer => consumer.disconnect()).catch(() => {})
    if (this.#consumer) await this.#admin?.then(admin => admin.deleteGroups([this.#groupId])).catch(() => {})
    await this.#admin?.then(admin => admin.disconnect()).catch(() => {})
  }

  #connectedAdmin(): Promise<Admin> {
    const connect = async () => {
      const admin = this.#kafka.admin()
      await admin.connect()
      return admin
    }
    this.#admin ??= connect()
    return this.#admin
  }

  #running(): Promise<Consumer> {
    const run = async () => {
      const consumer = this.#kafka.consumer({
        groupId: this.#groupId,
        allowAutoTopicCreation: false,
        maxWaitTimeInMs: 100,
      })
      await consumer.connect()
      await consumer.subscribe({ topic: this.#topic, fromBeginning: true })
      await consumer.run({
        autoCommit: false,
        eachMessage: async ({ partition, message }) => this.#take?.(partition, message),
      })
      return consumer
    }
    this.#consumer ??= run()
    return this.#consumer
  }
}

/** Reads for as long as `work` takes. Kafka's own failures are Transient. */
export async function reading<T>(
  options: { kafka: Kafka; topic: string; readerId: string; deadline: number },
  work: (reader: TopicReader) => Promise<T>,
): Promise<T> {
  const reader = new TopicReader(options)
  try {
    return await work(reader)
  } catch (cause) {
    if (!(cause instanceof Error) || !cause.name.startsWith('KafkaJS')) throw cause
    throw new Transient('unavailable', 'Kafka cannot be asked.', { cause })
  } finally {
    await reader.close()
  }
}
