import { z } from 'zod'
import type { NewEvent } from '../../shared/events/catalog.ts'
import { Count, Id, Location, Sku, Timestamp } from '../../shared/fields.ts'

/** A threshold of whatever type as it is at a place now, in units. */
export interface Threshold {
  /** Units: at or below it the stock is low. */
  readonly level: number
  /** Units: at or below it the stock is critical; without it only an empty shelf is worse than low. */
  readonly criticalLevel?: number | null
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

export const alertStates = ['open', 'acknowledged', 'snoozed', 'resolved'] as const
export type AlertState = (typeof alertStates)[number]

/** From the harmless to the worst. */
export const severities = ['low', 'critical', 'out_of_stock'] as const
export type Severity = (typeof severities)[number]

export const isWorse = (one: Severity, than: Severity): boolean => severities.indexOf(one) > severities.indexOf(than)

/** The alert that stands at a place: one that is not resolved, or that a person resolved while the stock was still low. */
export interface Standing {
  readonly id: string
  readonly state: AlertState
  /** The worst since it was raised. */
  readonly severity: Severity
}

export type Verdict =
  | 'raise'
  | 'resolve'
  /** The same alert is told again: it is worse than it was. */
  | 'worsen'
  /** The stock has recovered from what a person resolved: the next fall is news. */
  | 'settle'
  | 'nothing'

/** One alert at a time: while it stands, only its end or worse can follow, whatever people did with it. */
export function judge(stock: Seen, threshold: Threshold | undefined, standing: Standing | undefined): Verdict {
  const isLow = threshold !== undefined && stock.available <= threshold.level
  if (!standing) return isLow ? 'raise' : 'nothing'
  const isResolved = standing.state === 'resolved'
  if (threshold === undefined || stock.available > threshold.resolveAbove) return isResolved ? 'settle' : 'resolve'
  if (!isLow || !isWorse(severityOf(stock.available, threshold), standing.severity)) return 'nothing'
  return isResolved ? 'raise' : 'worsen'
}

export interface Alert {
  readonly id: string
  readonly sku: string
  readonly location: string
  readonly state: AlertState
  /** The worst since it was raised. */
  readonly severity: Severity
  readonly threshold: number
  readonly available: number
  readonly stockVersion: number
  readonly raisedAt: Date
  readonly resolvedAt: Date | null
  readonly snoozedUntil: Date | null
  /** How often it was told, from 1. */
  readonly telling: number
  /** The type of threshold that raised it. */
  readonly rule: string
  /** Of the SKU, where it has one. */
  readonly category: string | null
  /** Units to order now, where enough is known to say so. */
  readonly suggestedOrder: number | null
  /** What keeps it from being told: `silence:<id>` or `inhibited:<why>`. */
  readonly muted: string | null
  /** Who is at it, until it is told again. */
  readonly acknowledgedBy?: string | null
  readonly acknowledgedAt?: Date | null
}

/** @param threshold what the stock is low by; without it nothing is between low and an empty shelf */
export function severityOf(available: number, { criticalLevel = null }: Partial<Threshold> = {}): Severity {
  if (available <= 0) return 'out_of_stock'
  return criticalLevel !== null && available <= criticalLevel ? 'critical' : 'low'
}

/** @param what which rule raises it, and what it knows beside the stock */
export const newAlert = (
  id: string,
  stock: Seen,
  threshold: Threshold,
  now: Date,
  what: Pick<Alert, 'rule' | 'category' | 'suggestedOrder'> = { rule: 'absolute', category: null, suggestedOrder: null },
): Alert => ({
  id,
  sku: stock.sku,
  location: stock.location,
  state: 'open',
  severity: severityOf(stock.available, threshold),
  threshold: threshold.level,
  available: stock.available,
  stockVersion: stock.version,
  raisedAt: now,
  resolvedAt: null,
  snoozedUntil: null,
  telling: 1,
  rule: what.rule,
  category: what.category,
  suggestedOrder: what.suggestedOrder,
  muted: null,
})

export function raisedEvent(alert: Alert): NewEvent {
  const { id: alertId, sku, location, severity, available, threshold, stockVersion, telling } = alert
  const { category, rule, suggestedOrder, muted } = alert
  const raisedAt = alert.raisedAt.getTime()
  return {
    type: 'tidemark.alert.raised.v1',
    data: {
      ...{ alertId, sku, location, severity, available, threshold, stockVersion, raisedAt, telling },
      ...{ category, rule, suggestedOrder, muted },
    },
  }
}

/** @param resolvedBy null when the stock recovered */
export function resolvedEvent(alertId: string, stock: Seen, now: Date, resolvedBy: string | null = null): NewEvent {
  const { sku, location, available, version: stockVersion } = stock
  return {
    type: 'tidemark.alert.resolved.v1',
    data: { alertId, sku, location, available, stockVersion, resolvedAt: now.getTime(), resolvedBy },
  }
}

// What the API shows.

export const AlertBody = z
  .object({
    id: Id,
    sku: Sku,
    location: Location,
    state: z.enum(alertStates),
    severity: z.enum(severities).meta({ description: 'The worst since it was raised.' }),
    rule: z.string().meta({ description: 'The type of threshold that raised it.', example: 'absolute' }),
    category: z.string().nullable().meta({ description: 'Of the SKU, where it has one.' }),
    threshold: Count.meta({ description: 'Units: the level that was reached.' }),
    available: z.int().meta({ description: 'Units available when it was raised, or when it got worse.' }),
    suggestedOrder: Count.nullable().meta({ description: 'Units to order; null where too little is known.' }),
    raisedAt: Timestamp,
    resolvedAt: Timestamp.nullable(),
    snoozedUntil: Timestamp.nullable(),
    acknowledgedBy: z.string().nullable(),
    acknowledgedAt: Timestamp.nullable(),
    muted: z.string().nullable().meta({
      description: 'What keeps it from being told: `silence:<id>`, `inhibited:count:<id>` or `inhibited:out_of_stock`.',
    }),
    telling: z.int().meta({ description: 'How often it was told, from 1.' }),
  })
  .meta({ id: 'Alert' })

export const alertBody = (alert: Alert): z.output<typeof AlertBody> => ({
  id: alert.id,
  sku: alert.sku,
  location: alert.location,
  state: alert.state,
  severity: alert.severity,
  rule: alert.rule,
  category: alert.category,
  threshold: alert.threshold,
  available: alert.available,
  suggestedOrder: alert.suggestedOrder,
  raisedAt: alert.raisedAt.toISOString(),
  resolvedAt: alert.resolvedAt?.toISOString() ?? null,
  snoozedUntil: alert.snoozedUntil?.toISOString() ?? null,
  acknowledgedBy: alert.acknowledgedBy ?? null,
  acknowledgedAt: alert.acknowledgedAt?.toISOString() ?? null,
  muted: alert.muted,
  telling: alert.telling,
})
