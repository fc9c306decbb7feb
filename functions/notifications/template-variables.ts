import { type AlertFacts, type Severity, worstFirst, worstOf } from './alert-facts.ts'

export const templateKinds = ['alert', 'group', 'digest', 'escalation', 'resolved', 'acknowledged'] as const
export type TemplateKind = (typeof templateKinds)[number]

/** What a message is about, before it has words. */
export interface Subject {
  readonly kind: TemplateKind
  readonly alerts: readonly AlertFacts[]
  readonly recipient: { readonly name: string; readonly locale: string; readonly timeZone: string }
  readonly now: Date
  /** Told before, and standing still. */
  readonly isRepeat: boolean
  /** Of an escalation. */
  readonly step: number | null
  /** Who acknowledged or resolved it, where a person did. */
  readonly by: string | null
}

/** Alerts that a message names; `more` counts the others. */
const named = 50

/** The names are what people's templates are made of: a set is never changed. What shall be named otherwise comes in a set of its own. */
const firstSet = ({ kind, alerts, recipient, now, isRepeat, step, by }: Subject) => {
  const sorted = [...alerts].sort(worstFirst)
  const told = sorted.slice(0, named).map(alert => alertVariables(alert, recipient))
  const severity: Severity = worstOf(alerts)
  return {
    kind,
    count: alerts.length,
    more: alerts.length - told.length,
    out_of_stock: alerts.filter(alert => alert.severity === 'out_of_stock').length,
    severity,
    location: shared(alerts.map(({ location }) => location)),
    category: shared(alerts.map(({ category }) => category)),
    alert: told[0],
    alerts: told,
    recipient: { name: recipient.name, locale: recipient.locale, time_zone: recipient.timeZone },
    now: localTime(now, recipient),
    repeated: isRepeat,
    step,
    by,
  }
}

const alertVariables = (alert: AlertFacts, recipient: Subject['recipient']) => ({
  id: alert.alertId,
  sku: alert.sku,
  location: alert.location,
  severity: alert.severity,
  available: alert.available,
  threshold: alert.threshold,
  category: alert.category,
  rule: alert.rule,
  suggested_order: alert.suggestedOrder,
  raised_at: localTime(alert.raisedAt, recipient),
  telling: alert.telling,
})

const shared = <T>(values: readonly T[]): T | null => (new Set(values).size === 1 ? (values[0] as T) : null)

const localTime = (instant: Date, { locale, timeZone }: Subject['recipient']): string =>
  new Intl.DateTimeFormat(locale, { timeZone, dateStyle: 'medium', timeStyle: 'short' }).format(instant)

const sets = { 1: firstSet } as const
export type VariableSet = keyof typeof sets
export const newestSet: VariableSet = 1

export const variablesOf = (set: number, subject: Subject): Record<string, unknown> => sets[set as VariableSet](subject)

/** Names that a part of an alert can have in a loop. */
export const alertVariableNames: readonly string[] = [
  ...[
    'id',
    'sku',
    'location',
    'severity',
    'available',
    'threshold',
    'category',
    'rule',
    'suggested_order',
    'raised_at',
    'telling',
  ],
]

const sampleAlert: AlertFacts = {
  ...{ alertId: '01990000-0000-7000-8000-000000000001', telling: 1, sku: '85123A', location: 'main', severity: 'low' },
  ...{ available: 3, threshold: 12, category: 'lights', rule: 'absolute', suggestedOrder: 24 },
  raisedAt: new Date('2026-03-02T09:30:00Z'),
}

/** What templates are tried with: one alert with all there can be, many with as little as possible, and the kinds between. */
export function samplesOf(kind: TemplateKind, locale: string): Subject[] {
  const recipient = { name: 'Berta Keller', locale, timeZone: 'Europe/Zurich' }
  const common = { kind, recipient, now: new Date('2026-03-02T09:31:00Z') }
  const bare: AlertFacts = {
    ...sampleAlert,
    alertId: sampleAlert.alertId.replace(/1$/, '2'),
    category: null,
    suggestedOrder: null,
  }
  const many = Array.from({ length: 60 }, (_, n) => ({
    ...bare,
    sku: `22${String(n).padStart(3, '0')}`,
    location: n % 2 ? 'shop' : 'main',
  }))
  const one = { ...common, alerts: [sampleAlert], isRepeat: false, step: 1, by: 'berta' }
  const isOfOne = kind === 'alert'
  return [
    one,
    { ...one, alerts: [{ ...bare, severity: 'out_of_stock', available: 0 }], isRepeat: true, step: null, by: null },
    ...(isOfOne ? [] : [{ ...one, alerts: [sampleAlert, ...many] }]),
  ]
}
