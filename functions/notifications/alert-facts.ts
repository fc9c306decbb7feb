/** From the harmless to the worst. */
export const severities = ['low', 'critical', 'out_of_stock'] as const
export type Severity = (typeof severities)[number]

export const channels = ['email', 'sms', 'push', 'pagerduty', 'webhook'] as const
export type Channel = (typeof channels)[number]

/** Channels whose receivers are programs: they have rules of their own, so they are told everything, at once. */
export const isProgram = (channel: Channel): boolean => channel === 'pagerduty' || channel === 'webhook'

/** What a message can say of an alert, as its newest telling has it. */
export interface AlertFacts {
  readonly alertId: string
  readonly telling: number
  readonly sku: string
  readonly location: string
  readonly severity: Severity
  readonly available: number
  readonly threshold: number
  readonly category: string | null
  readonly rule: string
  readonly suggestedOrder: number | null
  readonly raisedAt: Date
}

export const isAtLeast = (severity: Severity, minimum: Severity): boolean =>
  severities.indexOf(severity) >= severities.indexOf(minimum)

/** Two lanes from here to the provider: what is critical or out of stock never waits behind what is low. */
export const isUrgent = (severity: Severity): boolean => severity !== 'low'

export const worstOf = (alerts: readonly Pick<AlertFacts, 'severity'>[]): Severity =>
  alerts.reduce<Severity>((worst, { severity }) => (isAtLeast(severity, worst) ? severity : worst), 'low')

/** The worst first, and of those the emptiest. */
export const worstFirst = (one: AlertFacts, other: AlertFacts): number =>
  severities.indexOf(other.severity) - severities.indexOf(one.severity) ||
  one.available - other.available ||
  (one.alertId < other.alertId ? -1 : 1)
