import type { EachMessagePayload, Kafka } from 'kafkajs'

export interface DeadLetter {
  readonly partition: number
  readonly offset: string
  readonly id: string
  readonly type: string
  readonly source: string
  readonly subject: string | null
  readonly destination: string | null
  readonly status: string | null
  readonly error: string | null
  readonly at: string
}

/** Milliseconds to read what is there. */
const deadline = 15_000

/** The newest records of the topic, by a consumer of its own that leaves nothing behind. */
export async function newestDeadLetters(kafka: Kafka, topic: string, limit: number, readerId: string): Promise<DeadLetter[]> {
  const admin = kafka.admin()
  await admin.connect()
  const groupId = `tidemark.reader.${readerId}`
  try {
    const ends = (await admin.fetchTopicOffsets(topic)).filter(({ high, low }) => Number(high) > Number(low))
    if (ends.length === 0) return []
    const found = await readTails(kafka, topic, groupId, ends, limit)
    return found.sort(newestFirst).slice(0, limit)
  } finally {
    await admin.deleteGroups([groupId]).catch(() => {})
    await admin.disconnect()
  }
}

const newestFirst = (a: DeadLetter, b: DeadLetter): number =>
  a.at === b.at ? Number(b.offset) - Number(a.offset) : a.at < b.at ? 1 : -1

async function readTails(
  kafka: Kafka,
  topic: string,
  groupId: string,
  ends: readonly { partition: number; high: string; low: string }[],
  limit: number,
): Promise<DeadLetter[]> {
  // By their place: what was fetched before the seek is read again after it.
  const found = new Map<string, DeadLetter>()
  const unread = new Map(ends.map(({ partition, high }) => [partition, Number(high)]))
  const consumer = kafka.consumer({ groupId, allowAutoTopicCreation: false, maxWaitTimeInMs: 200 })
  const { promise: complete, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, deadline)
  await consumer.connect()
  try {
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      async eachMessage(payload) {
        found.set(`${payload.partition}/${payload.message.offset}`, deadLetterOf(payload))
        if (Number(payload.message.offset) + 1 >= (unread.get(payload.partition) ?? 0)) unread.delete(payload.partition)
        if (unread.size === 0) resolve()
      },
    })
    for (const { partition, high, low } of ends)
      consumer.seek({ topic, partition, offset: String(Math.max(Number(high) - limit, Number(low))) })
    await complete
  } finally {
    clearTimeout(timer)
    await consumer.disconnect()
  }
  return [...found.values()]
}

function deadLetterOf({ partition, message }: EachMessagePayload): DeadLetter {
  const header = (name: string): string | null => message.headers?.[name]?.toString() ?? null
  return {
    partition,
    offset: message.offset,
    id: header('ce_id') ?? '',
    type: header('ce_type') ?? '',
    source: header('ce_source') ?? '',
    subject: header('ce_subject'),
    destination: header('ce_knativeerrordest'),
    status: header('ce_knativeerrorcode'),
    error: header('ce_knativeerrordata'),
    at: new Date(Number(message.timestamp)).toISOString(),
  }
}
