import type { Tx } from '../../shared/data/postgres.ts'
import { type AlertFacts, type Channel, isProgram, worstOf } from './alert-facts.ts'
import { channelsOf, fallbacksOf, isWanted, overflowAt, type Person, type Way, wayOf } from './audience.ts'
import { compose, incidentOf, payloadOf, type Saying } from './compose.ts'
import { type DigestPart, joinDigests } from './digest-rows.ts'
import { type NewMessage, queueMessages } from './message-rows.ts'
import type { Loaded, Planning } from './planning.ts'
import { withinThrottle } from './throttle-rows.ts'

/** Something to be told to some people. */
export interface Telling extends Saying {
  /** What makes each of its messages one. */
  readonly key: string
  readonly alerts: readonly AlertFacts[]
  readonly people: readonly Person[]
  /** Empty: what each person's preferences say. */
  readonly channels: readonly Channel[]
  readonly tellRecovery: readonly Channel[]
  readonly urgent: boolean
  /** Goes at once and whole, whatever severity people want and whatever the time: an escalation, or a digest whose time has come. */
  readonly insists: boolean
  readonly traceparent: string
}

interface Draft {
  readonly telling: Telling
  readonly person: Person
  readonly channel: Channel
  readonly alerts: readonly AlertFacts[]
  readonly way: Way
  readonly fallbacks: readonly Channel[]
}

/** Makes tellings into messages and parts of digests, in the caller's transaction. */
export async function tell(tx: Tx, planning: Planning, loaded: Loaded, tellings: readonly Telling[], now: Date): Promise<void> {
  const known = await toldBefore(tx, tellings)
  const drafts = tellings.flatMap(telling => draftsOf(telling, known, now))
  if (drafts.length === 0) return
  const throttled = await throttle(tx, drafts, planning.settings().MESSAGES_AN_HOUR, now)
  const messages: NewMessage[] = []
  const parts: DigestPart[] = []
  for (const draft of throttled) {
    const { person, channel, alerts, telling, way } = draft
    planning.planned(telling.kind, channel, way.kind)
    const tellsRecovery = telling.tellRecovery.includes(channel)
    if (way.kind === 'digest') parts.push({ recipientId: person.id as string, channel, dueAt: way.dueAt, alerts, tellsRecovery })
    else messages.push(...(await messagesOf(planning, loaded, draft, tellsRecovery, now)))
  }
  await joinDigests(tx, parts, planning.newId, now)
  await queueMessages(tx, messages, planning.newId, now)
}

function draftsOf(telling: Telling, known: Known, now: Date): Draft[] {
  return telling.people.flatMap(person => {
    const used = channelsOf(person, telling.channels)
    const drafts = used.flatMap((channel): Draft[] => {
      const alerts = telling.alerts.filter(
        alert => (telling.insists || isWanted(person, channel, alert.severity)) && !known.isTold(telling, person, channel, alert),
      )
      if (alerts.length === 0) return []
      known.note(person, channel, alerts)
      const way: Way = telling.insists ? { kind: 'now' } : wayOf(person, channel, telling.urgent, now)
      return [{ telling, person, channel, alerts, way, fallbacks: [] }]
    })
    // One message of a person falls back for all: two that are late would otherwise disturb twice.
    const [first, ...others] = drafts
    if (!first || !telling.urgent || person.id === null) return drafts
    return [{ ...first, fallbacks: fallbacksOf(person, used) }, ...others]
  })
}

/** What is over the limit of an hour joins the next digest: later, and never lost. */
async function throttle(tx: Tx, drafts: readonly Draft[], limit: number, now: Date): Promise<Draft[]> {
  const keyOf = ({ person, channel }: Draft) => `${person.id} ${channel}`
  const counts = ({ telling, person, channel, way }: Draft) =>
    person.id !== null && !telling.urgent && !telling.insists && !isProgram(channel) && way.kind !== 'digest'
  const wanted = new Map<string, number>()
  for (const draft of drafts) if (counts(draft)) wanted.set(keyOf(draft), (wanted.get(keyOf(draft)) ?? 0) + 1)
  const left = await withinThrottle(tx, wanted, limit, now)
  return drafts.map(draft => {
    if (!counts(draft)) return draft
    const room = left.get(keyOf(draft)) ?? 0
    left.set(keyOf(draft), room - 1)
    return room > 0 ? draft : { ...draft, way: { kind: 'digest', dueAt: overflowAt(draft.person, draft.channel, now) } }
  })
}

async function messagesOf(
  planning: Planning,
  loaded: Loaded,
  { telling, person, channel, alerts, way, fallbacks }: Draft,
  tellsRecovery: boolean,
  now: Date,
): Promise<NewMessage[]> {
  const contacts = person.contacts.filter(contact => contact.channel === channel)
  const words = await compose(planning, await loaded.templates(), telling, person, channel, alerts, now)
  const incident = incidentOf(channel, alerts)
  return contacts.map((contact, index) => {
    const id = planning.newId()
    const falls = index === 0 && fallbacks.length > 0
    return {
      ...{ id, kind: telling.kind, channel, alerts, alertId: incident, severity: worstOf(alerts), ...words },
      dedupKey: `${telling.key}:${contact.id ?? 'standard'}`,
      priority: telling.urgent ? 'urgent' : 'normal',
      ...{ recipientId: person.id, contactId: contact.id, address: contact.address, tellsRecovery },
      payload: payloadOf(telling, channel, alerts, incident ?? id),
      heldUntil: way.kind === 'held' ? way.until : null,
      deliverBy: falls ? new Date(now.getTime() + planning.settings().DELIVER_WITHIN * 1_000) : null,
      fallbackChannels: falls ? fallbacks : [],
      traceparent: telling.traceparent,
    }
  })
}

/** Which telling of which alert a contact was given already: by another route, in this transaction or before. */
class Known {
  readonly #told: Set<string>
  constructor(told: Iterable<string>) {
    this.#told = new Set(told)
  }
  isTold({ kind, isRepeat }: Telling, person: Person, channel: Channel, alert: AlertFacts): boolean {
    if (kind !== 'alert' || isRepeat || person.id === null) return false
    const contacts = person.contacts.filter(contact => contact.channel === channel)
    return contacts.every(({ id }) => this.#told.has(`${id} ${alert.alertId} ${alert.telling}`))
  }
  note({ contacts }: Person, channel: Channel, alerts: readonly AlertFacts[]): void {
    for (const { id } of contacts.filter(contact => contact.channel === channel)) {
      for (const { alertId, telling } of alerts) this.#told.add(`${id} ${alertId} ${telling}`)
    }
  }
}

async function toldBefore(tx: Tx, tellings: readonly Telling[]): Promise<Known> {
  const fresh = tellings.filter(
    ({ kind, isRepeat, people }) => kind === 'alert' && !isRepeat && people.some(({ id }) => id !== null),
  )
  const ids = [...new Set(fresh.flatMap(({ alerts }) => alerts.map(({ alertId }) => alertId)))]
  if (ids.length === 0) return new Known([])
  const rows = await tx<{ key: string }[]>`
    select n.contact_id || ' ' || a.alert_id || ' ' || a.telling as key
    from notification_alert a join notification n on n.id = a.notification_id
    where a.alert_id = any (${ids}::uuid[]) and n.contact_id is not null and n.kind = 'alert'`
  return new Known(rows.map(({ key }) => key))
}
