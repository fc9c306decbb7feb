import { Rejected } from '../../shared/errors.ts'
import { type Call, Reply } from '../../shared/function/operation.ts'
import type { DeadLetterProducer } from './dead-letter-producer.ts'
import { answeredType, headerOf } from './dead-letter-records.ts'
import type { TopicReader } from './topic-reader.ts'

/**
 * First answers, in the topic itself: a function that keeps dead letters must not need a database to do it. All stand in one
 * partition, so that of two answers to one key, given at the same time by two instances, everybody sees the same one first.
 */
const partition = 0
/** As long as the databases remember theirs (records-forget). */
const rememberedHours = 72

type Keyed = Call & { readonly idempotencyKey: string }
const isKeyed = (call: Call): call is Keyed => call.idempotencyKey !== undefined

/** The first answer to the call's key, or undefined. Throws Rejected when the key came with another request. */
export async function rememberedReplay<T>(
  reader: TopicReader,
  call: Call,
  now: Date,
  until = Number.POSITIVE_INFINITY,
): Promise<Reply<T> | undefined> {
  if (!isKeyed(call)) return undefined
  const since = new Date(now.getTime() - rememberedHours * 3_600_000)
  const stretches = (await reader.whole(since)).filter(stretch => stretch.partition === partition)
  let first: { fingerprint: string | null; text: string } | undefined
  await reader.read(
    stretches.map(stretch => ({ ...stretch, to: Math.min(stretch.to, until) })),
    (_partition, message) => {
      if (first || headerOf(message, 'ce_type') !== answeredType || headerOf(message, 'ce_subject') !== call.idempotencyKey)
        return
      first = { fingerprint: headerOf(message, 'ce_fingerprint'), text: String(message.value) }
    },
  )
  if (!first) return undefined
  if (first.fingerprint !== call.fingerprint) throw new Rejected('idempotency_key_reused')
  return Reply.ofText(200, first.text, { 'idempotency-replayed': 'true' })
}

/** Keeps an answer, and returns the one that counts: another instance may have been asked the same meanwhile. */
export async function rememberReplay<T>(
  reader: TopicReader,
  producer: DeadLetterProducer,
  call: Call,
  reply: Reply<T>,
  { id, now }: { id: string; now: Date },
): Promise<Reply<T>> {
  if (!isKeyed(call)) return reply
  const offset = await producer.send({
    partition,
    key: call.idempotencyKey,
    headers: {
      ce_specversion: '1.0',
      ce_id: id,
      ce_type: answeredType,
      ce_source: '/tidemark/dead-letters',
      ce_subject: call.idempotencyKey,
      ce_time: now.toISOString(),
      ce_fingerprint: call.fingerprint,
      'content-type': 'application/json',
    },
    value: reply.text,
  })
  return (await rememberedReplay<T>(reader, call, now, offset)) ?? reply
}
