import { type AlertFacts, type Channel, isProgram, worstFirst, worstOf } from './alert-facts.ts'
import type { Person } from './audience.ts'
import type { MessageKind } from './message-rows.ts'
import type { Planning } from './planning.ts'
import type { Words } from './template-engine.ts'
import type { TemplateVersion } from './template-rows.ts'
import type { TemplateKind } from './template-variables.ts'
import { wordsFor } from './words.ts'

/** What is said, to whoever it is said. */
export interface Saying {
  readonly kind: MessageKind
  readonly isRepeat?: boolean
  readonly step?: number | null
  readonly by?: string | null
}

/** Alerts that a program is told by their facts; of more it is told how many. */
const payloadLimit = 500

/** The facts, for receivers that are programs. A message of which a person reads the words has none. */
export function payloadOf(
  { kind, step = null, by = null }: Saying,
  channel: Channel,
  alerts: readonly AlertFacts[],
  incident: string,
) {
  if (!isProgram(channel) && channel !== 'push') return null
  const sorted = [...alerts].sort(worstFirst)
  // What a push message carries is small.
  const shown = sorted.slice(0, channel === 'push' ? 10 : payloadLimit)
  return {
    ...{ kind, incident, severity: worstOf(alerts), count: alerts.length, step, by },
    alerts: shown.map(({ raisedAt, ...facts }) => ({ ...facts, raisedAt: raisedAt.toISOString() })),
    truncated: alerts.length > shown.length,
  }
}

/** The alert whose id names the incident of a message: its worst. A message about one alert is about that incident. */
export const incidentOf = (channel: Channel, alerts: readonly AlertFacts[]): string | null => {
  const [worst] = [...alerts].sort(worstFirst)
  return worst && (alerts.length === 1 || channel === 'pagerduty') ? worst.alertId : null
}

const templateKindOf = (kind: MessageKind, alerts: readonly AlertFacts[]): TemplateKind =>
  kind === 'alert' && alerts.length > 1 ? 'group' : kind

/** Puts what is said into the words of a person's channel. */
export async function compose(
  { seal, templateFailed }: Planning,
  templates: readonly TemplateVersion[],
  { kind, isRepeat = false, step = null, by = null }: Saying,
  person: Person,
  channel: Channel,
  alerts: readonly AlertFacts[],
  now: Date,
): Promise<Words> {
  const name = person.name === null ? '' : await seal.open(person.name)
  const recipient = { name, locale: person.locale, timeZone: person.timeZone }
  const subject = { kind: templateKindOf(kind, alerts), alerts, recipient, now, isRepeat, step, by }
  return wordsFor(templates, subject, channel, templateFailed)
}
