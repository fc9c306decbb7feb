import type { Place } from '../../shared/data/locking-order.ts'
import type { Sql } from '../../shared/data/postgres.ts'
import { type Alert, severityOf } from './alert.ts'
import { alertColumns } from './alert-rows.ts'
import { choosePolicies, type EscalationRow, readEscalations } from './escalation-rows.ts'
import { type EffectiveThreshold, effectiveThresholds } from './explain-thresholds.ts'
import { matches } from './matchers.ts'
import { type Mutable, mutedBy } from './mute.ts'
import { type Silence, silenceColumns } from './silence.ts'

export interface SeenStock {
  readonly available: number
  readonly version: number
  readonly evaluatedAt: Date | null
}

/** An alert of the place, as its row says, and what it is about to meet. */
export interface ExplainedAlert {
  readonly alert: Alert
  /** False while a person has resolved it and the stock has not recovered since. */
  readonly settled: boolean
  readonly escalation: EscalationRow | undefined
  readonly policy: { readonly id: string; readonly name: string; readonly steps: number } | undefined
  readonly nextEscalation: Date | null
}

export interface Facts extends Place {
  /** Undefined: no change of this stock has come yet. */
  readonly stock: SeenStock | undefined
  readonly thresholds: readonly EffectiveThreshold[]
  /** Those that stand; if there is none, the last one that was. */
  readonly alerts: readonly ExplainedAlert[]
  /** What mutes an alert of each rule of the place now, beside silences. */
  readonly inhibitions: readonly { readonly rule: string; readonly cause: string | null }[]
  /** Silences that match the place now or will. */
  readonly silences: readonly Silence[]
}

/** Everything that the database of alerts knows of a place. */
export async function readFacts(sql: Sql, place: Place, now: Date): Promise<Facts> {
  const [stock, { thresholds, category }, alerts] = await Promise.all([
    readSeen(sql, place),
    effectiveThresholds(sql, place, now),
    readPlaceAlerts(sql, place),
  ])
  const standing = alerts.filter(({ state, settled }) => state !== 'resolved' || !settled)
  const shown = standing.length > 0 ? standing : alerts.slice(0, 1)
  const possible = thresholds.map((threshold): Mutable => {
    const { rule } = threshold
    const alert = standing.find(one => one.rule === rule)
    return alert ?? { ...place, rule, category, severity: severityOf(stock?.available ?? 1, threshold) }
  })
  const [causes, silences, escalations, choices] = await Promise.all([
    mutedBy(sql, possible, now, 'silences'),
    readSilences(sql, possible, now),
    readEscalations(
      sql,
      shown.map(({ id }) => id),
    ),
    choosePolicies(sql, shown),
  ])
  return {
    ...place,
    ...{ stock, thresholds, silences },
    inhibitions: possible.map(({ rule }, index) => ({ rule, cause: causes[index] ?? null })),
    alerts: shown.map(({ settled, nextEscalation, ...alert }, index) => {
      const policy = choices[index]?.policy
      return {
        ...{ alert, settled, nextEscalation, escalation: escalations.get(alert.id) },
        policy: policy && { id: policy.id, name: policy.name, steps: policy.steps.length * (1 + policy.repeat) },
      }
    }),
  }
}

/** A row of version 0 stands for stock that nobody has told of yet. */
async function readSeen(sql: Sql, { sku, location }: Place): Promise<SeenStock | undefined> {
  const [seen] = await sql<SeenStock[]>`
    select available, version, evaluated_at as "evaluatedAt" from stock_seen
    where sku = ${sku} and location = ${location} and version > 0`
  return seen
}

const readPlaceAlerts = (sql: Sql, { sku, location }: Place) => sql<
  (Alert & { settled: boolean; nextEscalation: Date | null })[]
>`
  select ${alertColumns(sql)}, settled, case when isfinite(escalate_at) then escalate_at end as "nextEscalation"
  from alert where sku = ${sku} and location = ${location} order by raised_at desc limit 20`

const readSilences = (sql: Sql, alerts: readonly Mutable[], now: Date): PromiseLike<Silence[]> => sql<Silence[]>`
  select ${silenceColumns(sql)} from silence m
  where m.ends_at > ${now} and exists (
    select from unnest(
      ${alerts.map(alert => alert.sku)}::text[], ${alerts.map(alert => alert.location)}::text[],
      ${alerts.map(alert => alert.category)}::text[], ${alerts.map(alert => alert.severity)}::text[],
      ${alerts.map(alert => alert.rule)}::text[]
    ) as a (sku, location, category, severity, rule) where ${matches(sql)})
  order by m.starts_at limit 20`
