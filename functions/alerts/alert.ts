import { z } from 'zod'
import type { NewEvent } from '../../shared/events/catalog.ts'
import { Count, Id, Location, Sku, Timestamp } from '../../shared/fields.ts'

export interface Threshold {
  /** Units: at or below it the stock is low. */
  readonly level: number
  /** Units: an open alert is resolved above it. The gap keeps a stock that hovers at its level from alerting at every sale. */
  readonly resolveAbove: number
}

/** A tenth of the level, and at least one unit. */
export const standardResolveAbove = (level: number): number => level + Math.max(1, Math.ceil(level / 10))

export interface Seen {
  readonly sku: string
  readonly location: string
  readonly available: number
  /** The stock row's version. */
  readonly version: number
}

export interface OpenAlert {
  readonly id: string
}

export type Verdict = 'raise' | 'resolve' | 'nothing'

/** One open alert at a time: while there is one, only its end can follow. */
export function judge(stock: Seen, threshold: Threshold | undefined, open: OpenAlert | undefined): Verdict {
  if (open) return threshold === undefined || stock.available > threshold.resolveAbove ? 'resolve' : 'nothing'
  return threshold !== undefined && stock.available <= threshold.level ? 'raise' : 'nothing'
}

export interface Alert {
  readonly id: string
  readonly sku: string
  readonly location: string
  readonly state: 'open' | 'resolved'
  readonly severity: 'low' | 'out_of_stock'
  readonly threshold: number
  readonly available: number
  readonly stockVersion: number
  readonly raisedAt: Date
  readonly resolvedAt: Date | null
}

export const severityOf = (available: number): Alert['severity'] => (available <= 0 ? 'out_of_stock' : 'low')

export const newAlert = (id: string, stock: Seen, threshold: Threshold, now: Date): Alert => ({
  id,
  sku: stock.sku,
  location: stock.location,
  state: 'open',
  severity: severityOf(stock.available),
  threshold: threshold.level,
  available: stock.available,
  stockVersion: stock.version,
  raisedAt: now,
  resolvedAt: null,
})

export function raisedEvent({
  id: alertId,
  sku,
  location,
  severity,
  available,
  threshold,
  stockVersion,
  raisedAt,
}: Alert): NewEvent {
  const data = { alertId, sku, location, severity, available, threshold, stockVersion, raisedAt: raisedAt.getTime() }
  return { type: 'tidemark.alert.raised.v1', data }
}

export function resolvedEvent(alertId: string, { sku, location, available, version: stockVersion }: Seen, now: Date): NewEvent {
  return {
    type: 'tidemark.alert.resolved.v1',
    data: { alertId, sku, location, available, stockVersion, resolvedAt: now.getTime() },
  }
}

// What the API shows.

export const AlertBody = z
  .object({
    id: Id,
    sku: Sku,
    location: Location,
    state: z.enum(['open', 'resolved']),
    severity: z.enum(['low', 'out_of_stock']),
    threshold: Count.meta({ description: 'Units: the level that was reached.' }),
    available: z.int().meta({ description: 'Units available when it was raised.' }),
    raisedAt: Timestamp,
    resolvedAt: Timestamp.nullable(),
  })
  .meta({ id: 'Alert' })

export const alertBody = (alert: Alert): z.output<typeof AlertBody> => ({
  id: alert.id,
  sku: alert.sku,
  location: alert.location,
  state: alert.state,
  severity: alert.severity,
  threshold: alert.threshold,
  available: alert.available,
  raisedAt: alert.raisedAt.toISOString(),
  resolvedAt: alert.resolvedAt?.toISOString() ?? null,
})
