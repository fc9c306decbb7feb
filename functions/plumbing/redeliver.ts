import type { KafkaMessage } from 'kafkajs'
import { exchange } from '../../shared/function/exchange.ts'
import { type DeadLetter, keyOfPlace } from './dead-letter-records.ts'
import { eventFunctionOf } from './destination.ts'

export interface StoredLetter {
  readonly letter: DeadLetter
  readonly message: KafkaMessage
}

export type Outcome =
  | { readonly result: 'delivered' | 'refused'; readonly status: number; readonly error?: string }
  | { readonly result: 'unavailable'; readonly status?: number; readonly error: string }
  | { readonly result: 'no_destination' | 'not_tried' }

export interface Redelivery {
  /** Where a function is reached, with `{name}` for its name. */
  readonly functionUrl: string
  /** Milliseconds since the epoch: no delivery begins after the first, none takes longer than until the second. */
  readonly lastStart: number
  readonly lastAnswer: number
  /** Notes a letter that was delivered, before the next of its entity is. */
  delivered(stored: StoredLetter): Promise<void>
}

const inFlight = 8
/** One delivery; a function that sleeps is started meanwhile. */
const deliveryMilliseconds = 10_000

/**
 * Delivers letters again, each to the function that could not take it and to nobody else. Letters of one entity go one after the other,
 * and those behind one that found nobody wait for the next replay with it: they must not overtake it.
 */
export async function redeliver(letters: readonly StoredLetter[], options: Redelivery): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>()
  const inOrder = letters.toSorted((a, b) => Number(a.letter.offset) - Number(b.letter.offset))
  const queues = [...Map.groupBy(inOrder, entityOf).values()]
  const worker = async () => {
    for (let queue = queues.shift(); queue; queue = queues.shift()) {
      let stuck = false
      for (const stored of queue) {
        const outcome: Outcome =
          stuck || Date.now() >= options.lastStart ? { result: 'not_tried' } : await deliverOne(stored, options)
        stuck ||= outcome.result === 'unavailable'
        outcomes.set(keyOfPlace(stored.letter), outcome)
        if (outcome.result === 'delivered') await options.delivered(stored)
      }
    }
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
  return outcomes
}

const entityOf = ({ letter, message }: StoredLetter): string =>
  JSON.stringify([letter.destination, message.headers?.ce_partitionkey?.toString() ?? letter.subject ?? keyOfPlace(letter)])

async function deliverOne({ letter, message }: StoredLetter, options: Redelivery): Promise<Outcome> {
  const name = await eventFunctionOf(letter.destination)
  if (name === undefined) return { result: 'no_destination' }
  try {
    const { status, body } = await exchange({
      url: `${options.functionUrl.replace('{name}', name)}/`,
      method: 'POST',
      headers: eventHeaders(message),
      body: message.value ?? Buffer.alloc(0),
      timeout: Math.max(Math.min(deliveryMilliseconds, options.lastAnswer - Date.now()), 1),
    })
    if (status >= 200 && status < 300) return { result: 'delivered', status }
    return { result: isNotYet(status) ? 'unavailable' : 'refused', status, error: body.toString().slice(0, 300) }
  } catch (error) {
    return { result: 'unavailable', error: (error as Error).message }
  }
}

/** What a dispatcher would try again: from a function, "never" is always another 4xx. */
const isNotYet = (status: number): boolean => status >= 500 || [404, 408, 409, 429].includes(status)

/** The event as it was before nobody took it: the same attributes, without those that the dispatcher added. */
function eventHeaders(message: KafkaMessage): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(message.headers ?? {})) {
    const text = String(value)
    if (name.startsWith('ce_') && !/^ce_knative(error|kafka)/.test(name)) headers[name.replace('_', '-')] = text
    else if (name === 'content-type' && text) headers[name] = text
  }
  return headers
}
