import { Rejected } from '../../shared/errors.ts'
import type { NewEvent } from '../../shared/events/catalog.ts'
import { type Alert, resolvedEvent } from './alert.ts'
import type { AlertAction } from './alert-rows.ts'

/** What a person does with an alert. */
export type AlertResponse =
  | { readonly action: 'acknowledge' }
  | { readonly action: 'snooze'; readonly until: Date }
  | { readonly action: 'resolve' }

export interface Responded {
  readonly next: Alert
  /** Absent when it was so already. */
  readonly did?: AlertAction
  readonly event?: NewEvent
}

/** The rule of what people do with an alert: until it is resolved, the last one's word counts. Throws Rejected when it is over. */
export function respond(alert: Alert, response: AlertResponse, now: Date, actor: string): Responded {
  if (alert.state === 'resolved') {
    if (response.action === 'resolve') return { next: alert }
    throw new Rejected('alert_resolved')
  }
  switch (response.action) {
    case 'acknowledge':
      if (alert.state === 'acknowledged') return { next: alert }
      return {
        next: { ...alert, state: 'acknowledged', snoozedUntil: null, acknowledgedBy: actor, acknowledgedAt: now },
        did: 'acknowledged',
        event: acknowledgedEvent(alert, now, actor),
      }
    case 'snooze':
      if (response.until <= now) throw new Rejected('invalid_input', 'until: must be in the future', untilError)
      return {
        next: { ...alert, state: 'snoozed', snoozedUntil: response.until },
        did: 'snoozed',
        // Who puts it off has seen it: until it is told again, nobody has to be reminded.
        ...(alert.state === 'open' && { event: acknowledgedEvent(alert, now, actor) }),
      }
    case 'resolve': {
      const { id, sku, location, available, stockVersion: version } = alert
      const event = resolvedEvent(id, { sku, location, available, version }, now, actor)
      return { next: { ...alert, state: 'resolved', resolvedAt: now, snoozedUntil: null }, did: 'resolved', event }
    }
  }
}

const untilError = { errors: [{ field: 'until', message: 'must be in the future' }] }

function acknowledgedEvent({ id: alertId, sku, location }: Alert, now: Date, acknowledgedBy: string): NewEvent {
  const data = { alertId, sku, location, acknowledgedAt: now.getTime(), acknowledgedBy }
  return { type: 'tidemark.alert.acknowledged.v1', data }
}

/** The alert is told again, as it is: its snooze is over, or what muted it. */
export const toldAgain = (alert: Alert): Alert => ({ ...alert, state: 'open', snoozedUntil: null, telling: alert.telling + 1 })
