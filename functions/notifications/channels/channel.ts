import { Rejected, Transient } from '../../../shared/errors.ts'

export const channelNames = ['email', 'sms', 'push', 'pagerduty', 'webhook'] as const
export type ChannelName = (typeof channelNames)[number]

/** What is said, and to whom: everything opened that was sealed. */
export interface Message {
  readonly notificationId: string
  readonly kind: 'alert' | 'resolved' | 'escalation' | 'digest' | 'acknowledged'
  readonly severity: string | null
  /** Mailbox, E.164 number, device token or `/topics/NAME`, routing key, URL. */
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly html: string | null
  readonly payload: unknown
  /** What a webhook's signatures are made with, the newest first. */
  readonly secrets: readonly string[]
  /** What all messages about the same trouble have in common: the alert, or the message itself. */
  readonly incident: string
  readonly createdAt: Date
}

export interface Taken {
  /** The provider's own name for the message. */
  readonly providerId: string
  /** The answer itself is the receipt: nobody will say more. */
  readonly delivered?: boolean
}

/** One way to a recipient. Who sends knows no provider beyond this. */
export interface Channel {
  /** Whether the provider says later what became of a message. */
  readonly confirms: boolean
  /**
   * Hands a message to the provider within `deadline` milliseconds.
   * Throws Rejected when it will never be taken, AddressGone when nothing will be taken for this address any more, Transient when
   * it may be later, and Unanswered when nobody knows whether it was.
   */
  send(message: Message, deadline: number): Promise<Taken>
  /** Loads what the first message would wait for, where the channel is configured. */
  warm?(): Promise<unknown>
}

/** The address is dead: an opted-out number, a device that has uninstalled the app, a receiver that answers 410. */
export class AddressGone extends Rejected {
  constructor(message: string) {
    super('invalid_input', message)
  }
}

/** The settings of the channel are absent. */
export class NotConfigured extends Rejected {
  constructor(message: string) {
    super('invalid_input', message)
  }
}

/** The provider may have taken the message: the connection or the answer broke after it was handed over. */
export class Unanswered extends Transient {
  constructor(message: string, cause: unknown) {
    super('upstream_failed', message, { cause })
  }
}

/** Seconds that a `Retry-After` header means, in either of its forms; undefined when it says nothing usable. */
export function secondsOf(header: unknown, now = Date.now()): number | undefined {
  if (typeof header !== 'string' || header === '') return undefined
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - now) / 1_000
  return seconds >= 0 ? Math.ceil(seconds) : undefined
}

/** Nothing can have been taken: there was no connection. */
const neverReached = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'CERT_HAS_EXPIRED'])

/** A failure below HTTP: Transient when the provider was not reached, else Unanswered. */
export function withoutAnswer(provider: string, error: unknown): Transient {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const { code } = at as { code?: unknown }
    if (typeof code === 'string' && neverReached.has(code)) {
      return new Transient('unavailable', `${provider} was not reached.`, { cause: error })
    }
  }
  return new Unanswered(`${provider} gave no usable answer.`, error)
}
