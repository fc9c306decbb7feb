import type { EventOf, EventType } from '../../shared/events/catalog.ts'
import type { AlertFacts } from './alert-facts.ts'

/** An alert as its events have told it so far. They come in any order, and some twice. */
export interface Standing extends Omit<AlertFacts, 'raisedAt'> {
  /** The newest that came; 0 while none has. */
  readonly telling: number
  readonly toldAt: Date | null
  readonly muted: string | null
  readonly raisedAt: Date | null
  readonly acknowledgedAt: Date | null
  readonly resolvedAt: Date | null
  readonly resolvedBy: string | null
}

type Each<T extends EventType> = T extends EventType ? EventOf<T> : never

export type AlertEvent = Each<
  'tidemark.alert.raised.v1' | 'tidemark.alert.resolved.v1' | 'tidemark.alert.acknowledged.v1' | 'tidemark.alert.escalated.v1'
>

/** What an event was news of. `told`: it is to be told now. `quiet`: it stands, and is not to be told (any more). */
export type News = 'told' | 'quiet' | 'acknowledged' | 'resolved' | 'nothing'

export const isStanding = (alert: Standing): boolean => alert.resolvedAt === null && alert.muted === null && alert.telling > 0

/** Somebody is at it, and it has not got worse since. */
export const isAcknowledged = ({ acknowledgedAt, toldAt }: Standing): boolean =>
  acknowledgedAt !== null && (toldAt === null || acknowledgedAt >= toldAt)

/** What is known after one more event. The end is final, and of tellings the newest counts. */
export function heard(before: Standing, event: AlertEvent): { next: Standing; news: News } {
  const isOver = before.resolvedAt !== null
  switch (event.type) {
    case 'tidemark.alert.raised.v1': {
      const { data, time } = event
      if (data.telling <= before.telling) return { next: before, news: 'nothing' }
      const { telling, severity, available, threshold, category, rule, suggestedOrder, muted } = data
      const raisedAt = new Date(data.raisedAt)
      const facts = { telling, severity, available, threshold, category, rule, suggestedOrder, muted, raisedAt, toldAt: time }
      return { next: { ...before, ...facts }, news: isOver ? 'nothing' : muted === null ? 'told' : 'quiet' }
    }
    case 'tidemark.alert.resolved.v1': {
      if (isOver) return { next: before, news: 'nothing' }
      const { resolvedAt, resolvedBy } = event.data
      return { next: { ...before, resolvedAt: new Date(resolvedAt), resolvedBy }, news: 'resolved' }
    }
    case 'tidemark.alert.acknowledged.v1': {
      const acknowledgedAt = new Date(event.data.acknowledgedAt)
      if (before.acknowledgedAt && before.acknowledgedAt >= acknowledgedAt) return { next: before, news: 'nothing' }
      const next = { ...before, acknowledgedAt }
      return { next, news: !isOver && isAcknowledged(next) ? 'acknowledged' : 'nothing' }
    }
    case 'tidemark.alert.escalated.v1': {
      // An escalation says all of the alert too, and it may be the first that comes.
      if (before.telling > 0) return { next: before, news: 'nothing' }
      const { severity, available, threshold, category } = event.data
      return { next: { ...before, severity, available, threshold, category }, news: 'nothing' }
    }
  }
}

/** An alert of which nothing has come yet. */
export const unheard = ({ data: { alertId, sku, location } }: AlertEvent): Standing => ({
  ...{ alertId, sku, location, telling: 0, toldAt: null, severity: 'low', available: 0, threshold: 0, category: null },
  ...{ rule: 'absolute', suggestedOrder: null, muted: null, raisedAt: null },
  ...{ acknowledgedAt: null, resolvedAt: null, resolvedBy: null },
})

export const factsOf = (alert: Standing): AlertFacts => ({ ...alert, raisedAt: alert.raisedAt ?? alert.toldAt ?? new Date(0) })
