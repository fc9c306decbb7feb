import { Rejected, Transient } from '../../shared/errors.ts'
import { Unanswered } from './channels/channel.ts'

export type Priority = 'normal' | 'urgent'

/** What follows a try that failed. */
export type Next =
  /** The event comes again by itself: it is answered 503, and KafkaSource's waiting is about as long. */
  | { readonly kind: 'soon'; readonly at: Date }
  /** The row waits, and is announced by a new event. */
  | { readonly kind: 'parked'; readonly at: Date }
  | { readonly kind: 'never'; readonly reason: string }

/** Seconds before each next try. The last one repeats. */
const waits: Record<Priority, readonly [number, ...number[]]> = {
  normal: [0.3, 1, 30, 60, 120, 240, 480, 960, 1_800],
  urgent: [0.3, 1, 2, 4, 8, 15, 30, 60, 120, 240, 480, 960, 1_800],
}
/** Seconds up to which KafkaSource is left to bring the event again. */
const soonest: Record<Priority, number> = { normal: 2, urgent: 15 }

/** Tries until a message is given up: about half an hour, two hours and a working day of them. */
const limits: Record<string, number> = { low: 8, critical: 13, out_of_stock: 24 }
export const triesFor = (severity: string | null): number => limits[severity ?? ''] ?? 8

/** Seconds in which a provider's own word may still come about a message of which nobody knows whether it was taken. */
const wordOfProvider: Record<Priority, number> = { normal: 60, urgent: 10 }

export interface Failed {
  readonly error: unknown
  /** How often it has been tried, from 1. */
  readonly attempts: number
  readonly severity: string | null
  readonly priority: Priority
  /** Whether the provider says later what became of it. */
  readonly confirms: boolean
}

/**
 * Exponential, with half of each wait drawn at random, so that what failed together does not come again together. What the provider
 * asked for is kept, whatever we would have waited.
 *
 * @param random from 0 to 1
 */
export function afterFailure({ error, attempts, severity, priority, confirms }: Failed, now: Date, random: number): Next {
  const { message } = error as Error
  if (error instanceof Rejected) return { kind: 'never', reason: message }
  if (attempts >= triesFor(severity)) return { kind: 'never', reason: `Given up after ${attempts} tries. ${message}` }
  const list = waits[priority]
  const wait = (list[Math.min(attempts, list.length) - 1] as number) * (0.5 + random / 2)
  const asked = error instanceof Transient && error.retryAfter > 1 ? error.retryAfter * (1 + random / 10) : 0
  const word = confirms && error instanceof Unanswered ? wordOfProvider[priority] : 0
  const seconds = Math.max(wait, asked, word)
  const at = new Date(now.getTime() + seconds * 1_000)
  return { kind: seconds <= soonest[priority] ? 'soon' : 'parked', at }
}
