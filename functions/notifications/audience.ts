import { type Channel, channels, isAtLeast, isProgram, type Severity } from './alert-facts.ts'
import { type LocalTime, nextLocalTime, quietUntil } from './quiet-hours.ts'
import type { Receiver } from './routing.ts'

export interface Preference {
  readonly minimumSeverity: Severity
  /** Local time at which what is not urgent comes as one message; null: each as it comes. */
  readonly digestAt: LocalTime | null
  readonly optedOut: boolean
}

export interface Contact {
  /** Null: the address of NOTIFY_TO. */
  readonly id: string | null
  readonly channel: Channel
  /** Sealed. */
  readonly address: string
}

export interface Person {
  /** Null: who is told when nobody else is, NOTIFY_TO. */
  readonly id: string | null
  /** Sealed, but for NOTIFY_TO, who has none. */
  readonly name: string | null
  readonly timeZone: string
  readonly locale: string
  readonly roles: readonly string[]
  readonly groups: readonly string[]
  readonly quietFrom: LocalTime | null
  readonly quietTo: LocalTime | null
  readonly preferences: Readonly<Partial<Record<Channel, Preference>>>
  readonly contacts: readonly Contact[]
}

/** What counts for a channel of which a recipient has said nothing: a telephone rings for what is urgent alone. */
export const standardPreference: Readonly<Record<Channel, Preference>> = {
  email: { minimumSeverity: 'low', digestAt: null, optedOut: false },
  sms: { minimumSeverity: 'critical', digestAt: null, optedOut: false },
  push: { minimumSeverity: 'low', digestAt: null, optedOut: false },
  pagerduty: { minimumSeverity: 'critical', digestAt: null, optedOut: false },
  webhook: { minimumSeverity: 'low', digestAt: null, optedOut: false },
}

export const preferenceOf = (person: Pick<Person, 'preferences'>, channel: Channel): Preference =>
  person.preferences[channel] ?? standardPreference[channel]

export const isMeant = (person: Person, receivers: readonly Receiver[]): boolean =>
  receivers.some(receiver => {
    if ('recipient' in receiver) return person.id === receiver.recipient
    if ('group' in receiver) return person.groups.includes(receiver.group)
    return person.roles.includes(receiver.role)
  })

/** `recipient:<id>`, `group:<name>` or `role:<name>`, as a policy's step names them; undefined for what is none. */
export function receiverOf(target: string): Receiver | undefined {
  const [, kind, name] = /^(recipient|group|role):(.+)$/.exec(target) ?? []
  return kind && name ? ({ [kind]: name } as unknown as Receiver) : undefined
}

/** Channels by which a person is told: those that are asked for, or any. */
export const channelsOf = (person: Person, asked: readonly Channel[]): Channel[] =>
  channels.filter(
    channel =>
      (asked.length === 0 || asked.includes(channel)) &&
      person.contacts.some(contact => contact.channel === channel) &&
      !preferenceOf(person, channel).optedOut,
  )

export const isWanted = (person: Person, channel: Channel, severity: Severity): boolean =>
  isAtLeast(severity, preferenceOf(person, channel).minimumSeverity)

/** When a message goes: at once, when quiet hours are over, or with the digest. */
export type Way =
  | { readonly kind: 'now' }
  | { readonly kind: 'held'; readonly until: Date }
  | { readonly kind: 'digest'; readonly dueAt: Date }

/** What is urgent, and what programs are told, waits for nothing. */
export function wayOf(person: Person, channel: Channel, urgent: boolean, now: Date): Way {
  if (urgent || isProgram(channel)) return { kind: 'now' }
  const { digestAt } = preferenceOf(person, channel)
  if (digestAt !== null) return { kind: 'digest', dueAt: nextLocalTime(digestAt, person.timeZone, now) }
  const until = quietEnd(person, now)
  return until ? { kind: 'held', until } : { kind: 'now' }
}

export const quietEnd = ({ quietFrom, quietTo, timeZone }: Person, now: Date): Date | null =>
  quietFrom !== null && quietTo !== null ? quietUntil(quietFrom, quietTo, timeZone, now) : null

/** Where what is over the throttle goes: to the next digest, which without a time of its own comes with the next hour, out of quiet hours. */
export function overflowAt(person: Person, channel: Channel, now: Date): Date {
  const { digestAt } = preferenceOf(person, channel)
  if (digestAt !== null) return nextLocalTime(digestAt, person.timeZone, now)
  const hour = new Date(hourOf(now).getTime() + 3_600_000)
  return quietEnd(person, hour) ?? hour
}

export const hourOf = (instant: Date): Date => new Date(Math.floor(instant.getTime() / 3_600_000) * 3_600_000)

/** Tried when a critical message is not delivered in time: what disturbs most comes first. */
const fallbackOrder: readonly Channel[] = ['push', 'sms', 'pagerduty', 'email', 'webhook']

/** The person's other channels, whatever severity they want of them: better disturbed than unaware. */
export const fallbacksOf = (person: Person, used: readonly Channel[]): Channel[] => {
  const reachable = channelsOf(person, [])
  return fallbackOrder.filter(channel => reachable.includes(channel) && !used.includes(channel))
}
