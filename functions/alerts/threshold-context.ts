import type { Place } from '../../shared/data/locking-order.ts'
import type { Queryable } from '../../shared/data/postgres.ts'
import { together } from '../../shared/data/together.ts'
import type { Alert, Severity } from './alert.ts'
import type { Profile } from './threshold-levels.ts'
import { readThresholdsFor } from './threshold-store.ts'
import { effectiveOf, type RuleType, type StoredThreshold } from './thresholds.ts'
import type { Sales } from './velocity.ts'
import { type Counted, nothingCounted } from './velocity-counted.ts'
import { countedOf, salesOf } from './velocity-rows.ts'

export const placeKey = ({ sku, location }: Place): string => `${location} ${sku}`

/** The alert that stands for a rule. */
export type StandingAlert = Pick<Alert, 'id' | 'state' | 'severity' | 'telling' | 'raisedAt'>

/** All that a place is judged by. */
export interface Context extends Place {
  /** The stock that was seen last; version 0 where none was. */
  readonly available: number
  readonly version: number
  readonly capacity: number | null
  readonly counted: Counted
  readonly profile: Profile | undefined
  readonly sales: Sales | undefined
  /** Of each type the one that counts. */
  readonly thresholds: readonly StoredThreshold[]
  readonly standing: ReadonlyMap<string, StandingAlert>
  readonly breachedSince: ReadonlyMap<string, Date>
  /** Where a threshold wants to know it. */
  readonly lastResolved: ReadonlyMap<string, { readonly at: Date; readonly severity: Severity }>
}

/** Reads what some places are judged by: as many questions for one place as for a thousand, sent in one go; one more where alerts are not to be repeated. */
export async function readContexts(sql: Queryable, places: readonly Place[]): Promise<Map<string, Context>> {
  const [skus, locations] = [places.map(place => place.sku), places.map(place => place.location)]
  const [figures, found, standing, breaches] = await together([
    readFigures(sql, skus, locations),
    readThresholdsFor(sql, skus, locations),
    readStanding(sql, skus, locations),
    readBreaches(sql, skus, locations),
  ])
  const foundAt = Map.groupBy(found, placeAt)
  const thresholds = new Map(places.map(place => [placeKey(place), effectiveOf(foundAt.get(placeKey(place)) ?? [])]))
  const lasting = places.flatMap(place =>
    (thresholds.get(placeKey(place)) ?? []).filter(one => one.dedupSeconds > 0).map(({ rule }) => ({ ...place, rule })),
  )
  const resolved = lasting.length === 0 ? [] : await readLastResolved(sql, lasting)
  const figuresOf = new Map(figures.map(row => [placeKey(row), row]))
  const [standingAt, breachesAt, resolvedAt] = [standing, breaches, resolved].map(rows =>
    Map.groupBy(rows as readonly (Place & { rule: string })[], placeKey),
  ) as [Map<string, StandingRow[]>, Map<string, BreachRow[]>, Map<string, ResolvedRow[]>]
  return new Map(
    places.map(({ sku, location }) => {
      const key = placeKey({ sku, location })
      const row = figuresOf.get(key)
      const context: Context = {
        ...{ sku, location, available: row?.available ?? 0, version: row?.version ?? 0, capacity: row?.capacity ?? null },
        counted: row?.countedThrough == null ? nothingCounted : countedOf(row.countedThrough, row.countedAhead ?? '{}'),
        profile: row?.packSize == null ? undefined : profileOf(row),
        sales: row?.day == null ? undefined : salesOf(row.day, row.units ?? '{}'),
        thresholds: thresholds.get(key) ?? [],
        standing: new Map((standingAt.get(key) ?? []).map(one => [one.rule, one])),
        breachedSince: new Map((breachesAt.get(key) ?? []).map(one => [one.rule, one.since])),
        lastResolved: new Map((resolvedAt.get(key) ?? []).map(one => [one.rule, one])),
      }
      return [key, context] as const
    }),
  )
}

const placeAt = ({ at, place }: { at: string; place: string }): string => placeKey({ sku: place, location: at })

interface FiguresRow extends Place {
  readonly available: number | null
  readonly version: number | null
  readonly capacity: number | null
  readonly countedThrough: number | null
  readonly countedAhead: string | null
  readonly category: string | null
  readonly leadTimeDays: number | null
  readonly parLevel: number | null
  readonly packSize: number | null
  readonly minimumOrder: number | null
  readonly day: Date | null
  readonly units: string | null
}

const profileOf = (row: FiguresRow): Profile => ({
  category: row.category ?? '',
  leadTimeDays: row.leadTimeDays,
  parLevel: row.parLevel,
  packSize: row.packSize ?? 1,
  minimumOrder: row.minimumOrder ?? 0,
})

const readFigures = (sql: Queryable, skus: readonly string[], locations: readonly string[]) => sql<FiguresRow[]>`
  select place.sku, place.location, seen.available, seen.version, seen.capacity,
         seen.counted_through as "countedThrough", seen.counted_ahead as "countedAhead",
         profile.category, profile.lead_time_days as "leadTimeDays", profile.par_level as "parLevel",
         profile.pack_size as "packSize", profile.minimum_order as "minimumOrder", sales.day, sales.units
  from unnest(${skus}::text[], ${locations}::text[]) as place (sku, location)
  left join stock_seen seen on (seen.sku, seen.location) = (place.sku, place.location)
  left join sku_profile profile on profile.sku = place.sku
  left join sales on (sales.sku, sales.location) = (place.sku, place.location)`

type StandingRow = StandingAlert & Place & { readonly rule: string }

const readStanding = (sql: Queryable, skus: readonly string[], locations: readonly string[]) => sql<StandingRow[]>`
  select place.sku, place.location, alert.rule, alert.id, alert.state, alert.severity, alert.telling, alert.raised_at as "raisedAt"
  from unnest(${skus}::text[], ${locations}::text[]) as place (sku, location)
  cross join lateral (
    select rule, id, state, severity, telling, raised_at from alert
    where alert.sku = place.sku and alert.location = place.location and (state <> 'resolved' or not settled)
  ) alert`

type BreachRow = Place & { readonly rule: string; readonly since: Date }

const readBreaches = (sql: Queryable, skus: readonly string[], locations: readonly string[]) => sql<BreachRow[]>`
  select breach.sku, breach.location, breach.rule, breach.since
  from unnest(${skus}::text[], ${locations}::text[]) as place (sku, location)
  join breach on (breach.sku, breach.location) = (place.sku, place.location)`

type ResolvedRow = Place & { readonly rule: string; readonly at: Date; readonly severity: Severity }

const readLastResolved = (sql: Queryable, lasting: readonly (Place & { rule: RuleType })[]) => sql<ResolvedRow[]>`
  select place.sku, place.location, place.rule, last.at, last.severity
  from unnest(
    ${lasting.map(one => one.sku)}::text[], ${lasting.map(one => one.location)}::text[], ${lasting.map(one => one.rule)}::text[]
  ) as place (sku, location, rule)
  cross join lateral (
    select resolved_at as at, severity from alert
    where alert.sku = place.sku and alert.location = place.location and alert.rule = place.rule and state = 'resolved' and settled
    order by raised_at desc limit 1
  ) last`
