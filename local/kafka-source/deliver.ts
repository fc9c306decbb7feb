import type { Delivery } from './cloud-event.ts'

/** A KafkaSource's delivery fields, in milliseconds. */
export interface DeliveryRules {
  readonly retry: number
  readonly backoffPolicy: 'exponential' | 'linear'
  readonly backoffDelay: number
  readonly timeout: number
}

export interface SinkAnswer {
  readonly status: number
  readonly body: string
}

export interface Attempts {
  /** The function's address, for the dead letter. */
  readonly destination: string
  /** One try at the function. Rejects when there is no answer. */
  send(delivery: Delivery, timeout: number): Promise<SinkAnswer>
  /** One try at the dead-letter sink. Absent when the source names none: what cannot be delivered is lost then. */
  bury?(delivery: Delivery, timeout: number): Promise<SinkAnswer>
  pause(milliseconds: number): Promise<void>
  /** Whether to give up because the dispatcher is being stopped: the event stays in Kafka. */
  stopped(): boolean
}

export type Outcome = 'delivered' | 'dead-lettered' | 'lost' | 'stopped'

/** ISO 8601 durations as manifests write them: PT0.2S, PT30S, PT2M. */
export function milliseconds(duration: string): number {
  const match = /^PT(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?$/.exec(duration)
  if (!match) throw new Error(`${duration} is not a duration like PT0.2S.`)
  const [hours = 0, minutes = 0, seconds = 0] = match.slice(1).map(part => Number(part ?? 0))
  return Math.round(((hours * 60 + minutes) * 60 + seconds) * 1_000)
}

/** What the dispatcher tries again: server errors, time-outs, and 404, 408, 409 and 429, which to it mean "not yet". */
const isRetried = (status: number): boolean => status >= 500 || [404, 408, 409, 429].includes(status)

/** Milliseconds before the n-th repetition, n from 1. */
export const backoff = ({ backoffPolicy, backoffDelay }: DeliveryRules, n: number): number =>
  backoffPolicy === 'exponential' ? backoffDelay * 2 ** n : backoffDelay * n

/**
 * Delivers one event as KafkaSource's dispatcher does: tried again with backoff, then dead-lettered; a permanent fault is
 * dead-lettered at once. If the dead-letter sink takes it neither, it is lost, and the offset moves on all the same.
 */
export async function deliver(delivery: Delivery, rules: DeliveryRules, attempts: Attempts): Promise<Outcome> {
  const failed = await tryRepeatedly(delivery, rules, attempts.send, attempts)
  if (failed === 'delivered' || failed === 'stopped') return failed
  if (!attempts.bury) return 'lost'
  const letter: Delivery = {
    body: delivery.body,
    headers: {
      ...delivery.headers,
      'ce-knativeerrordest': attempts.destination,
      'ce-knativeerrorcode': String(failed.status),
      'ce-knativeerrordata': headerText(failed.body),
    },
  }
  const buried = await tryRepeatedly(letter, rules, attempts.bury, attempts)
  if (buried === 'stopped') return 'stopped'
  return buried === 'delivered' ? 'dead-lettered' : 'lost'
}

async function tryRepeatedly(
  delivery: Delivery,
  rules: DeliveryRules,
  attempt: Attempts['send'],
  { pause, stopped }: Attempts,
): Promise<'delivered' | 'stopped' | SinkAnswer> {
  for (let n = 0; ; n++) {
    if (stopped()) return 'stopped'
    const answer = await attempt(delivery, rules.timeout).catch((error: Error) => ({ status: 503, body: error.message }))
    if (answer.status >= 200 && answer.status < 300) return 'delivered'
    if (!isRetried(answer.status) || n >= rules.retry) return answer
    await pause(backoff(rules, n + 1))
  }
}

/** Headers carry one line of visible ASCII. */
const headerText = (text: string): string => text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 1_000)
