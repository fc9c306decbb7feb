import type { Kafka } from 'kafkajs'
import { deadLetterTopic, isLetter, markedBy } from './dead-letter-records.ts'
import { reading } from './topic-reader.ts'

/**
 * Counts the dead letters that were not replayed. What was read is kept while the process lives: the topic is read whole once, then
 * only what has come since, so that asking again and again is one question to Kafka.
 */
export class PendingDeadLetters {
  readonly #kafka: Kafka
  readonly #newId: () => string
  readonly #partitions = new Map<number, { next: number; pending: Set<number> }>()
  #turn: Promise<unknown> = Promise.resolve()

  constructor(kafka: Kafka, newId: () => string) {
    this.#kafka = kafka
    this.#newId = newId
  }

  /** @throws Transient when there is more than can be read by then; what was read counts for the next time */
  count(deadline: number): Promise<number> {
    const counted = this.#turn.then(() => this.#count(deadline))
    this.#turn = counted.catch(() => {})
    return counted
  }

  #count(deadline: number): Promise<number> {
    const topic = { kafka: this.#kafka, topic: deadLetterTopic, readerId: this.#newId(), deadline }
    return reading(topic, async reader => {
      const unread = (await reader.whole()).map(({ partition, from, to }) => {
        const known = this.#partitions.get(partition)
        if (!known) this.#partitions.set(partition, { next: from, pending: new Set() })
        // What Kafka keeps no longer is pending no longer.
        for (const offset of known?.pending ?? []) if (offset < from) known?.pending.delete(offset)
        return { partition, from: Math.max(known?.next ?? 0, from), to }
      })
      await reader.read(unread, (partition, message) => {
        const known = this.#partitions.get(partition)
        if (!known) return
        const marked = markedBy(message)
        if (marked) known.pending.delete(Number(marked.offset))
        if (isLetter(message)) known.pending.add(Number(message.offset))
        known.next = Number(message.offset) + 1
      })
      return this.#partitions.values().reduce((sum, { pending }) => sum + pending.size, 0)
    })
  }
}
