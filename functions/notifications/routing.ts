import { type AlertFacts, type Channel, isAtLeast, type Severity } from './alert-facts.ts'

/** What an alert must be like: every part that is given must fit, and each by one of its values. */
export interface Matcher {
  readonly minimumSeverity?: Severity | undefined
  readonly locations?: readonly string[] | undefined
  readonly categories?: readonly string[] | undefined
  readonly skuPrefixes?: readonly string[] | undefined
  readonly rules?: readonly string[] | undefined
}

export type Receiver = { readonly recipient: string } | { readonly group: string } | { readonly role: string }

export const groupingLabels = ['location', 'category', 'severity', 'rule', 'sku'] as const
export type GroupingLabel = (typeof groupingLabels)[number]

/** Seconds. */
export interface Pace {
  /** The first of a group waits for others. */
  readonly wait: number
  /** After a message, those that come later wait for the next one. */
  readonly interval: number
}

export interface Route {
  /** Null: the default route, which takes what no other takes. */
  readonly id: string | null
  readonly name: string
  readonly matcher: Matcher
  readonly receivers: readonly Receiver[]
  /** Empty: what each recipient's preferences say. */
  readonly channels: readonly Channel[]
  readonly groupBy: readonly GroupingLabel[]
  readonly normal: Pace
  /** Of what is critical or out of stock. */
  readonly urgent: Pace
  /** Seconds after which what still stands, and nobody has acknowledged, is told again; null: never. */
  readonly repeatInterval: number | null
  readonly tellRecovery: readonly Channel[]
  readonly continues: boolean
}

export type Routed = Pick<AlertFacts, 'severity' | 'location' | 'category' | 'sku' | 'rule'>

const fits = <T>(wanted: readonly T[] | undefined, found: T | null): boolean =>
  wanted === undefined || (found !== null && wanted.includes(found))

export const matches = (matcher: Matcher, alert: Routed): boolean =>
  isAtLeast(alert.severity, matcher.minimumSeverity ?? 'low') &&
  fits(matcher.locations, alert.location) &&
  fits(matcher.categories, alert.category) &&
  fits(matcher.rules, alert.rule) &&
  (matcher.skuPrefixes === undefined || matcher.skuPrefixes.some(prefix => alert.sku.startsWith(prefix)))

/** The first route that matches, and those after it as long as each says `continues`. What none takes, the default route takes. */
export function routesOf(routes: readonly Route[], standard: Route, alert: Routed): readonly Route[] {
  const taken: Route[] = []
  for (const route of routes) {
    if (!matches(route.matcher, alert)) continue
    taken.push(route)
    if (!route.continues) break
  }
  return taken.length > 0 ? taken : [standard]
}

export const standardTellRecovery: readonly Channel[] = ['pagerduty', 'webhook']

/** Seconds that routes have unless they say otherwise. */
export const standardPace = { groupWait: 1, groupInterval: 60, urgentGroupWait: 0, urgentGroupInterval: 5 } as const

export const defaultRoute = (pace: { wait: number; interval: number }): Route => ({
  id: null,
  name: 'default',
  matcher: {},
  receivers: [],
  channels: [],
  groupBy: ['location', 'severity'],
  normal: pace,
  urgent: {
    wait: standardPace.urgentGroupWait,
    interval: Math.min(pace.interval, standardPace.urgentGroupInterval),
  },
  repeatInterval: null,
  tellRecovery: standardTellRecovery,
  continues: false,
})
