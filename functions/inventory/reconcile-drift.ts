import { z } from 'zod'
import type { Place } from '../../shared/data/locking-order.ts'
import type { Queryable, Tx } from '../../shared/data/postgres.ts'
import { publish } from '../../shared/events/outbox.ts'
import { Id, Location, Sku, Timestamp } from '../../shared/fields.ts'
import type { DriftKind, Finding } from './reconcile-judge.ts'

export const driftKinds = ['on_hand', 'reserved', 'ledger', 'oversold', 'transit'] as const satisfies readonly DriftKind[]

export const Drift = z
  .object({
    id: Id,
    kind: z.enum(driftKinds).meta({
      description:
        'on_hand: units on the shelf against the movements. reserved: against open reservations. ledger: the movements themselves, which a person must look at, or a row that is gone although they know it. oversold: more promised than there is. transit: transfers against their lines.',
    }),
    sku: Sku,
    location: Location,
    expected: z.int(),
    found: z.int(),
    detail: z.string(),
    firstSeen: Timestamp,
    lastSeen: Timestamp,
  })
  .meta({ id: 'StockDrift' })
export type Drift = z.output<typeof Drift>

/** Keeps what was found: a drift is one row from its first sight to its end, and an event when it is new. */
export async function recordDrift(tx: Tx, found: readonly Finding[], newId: () => string, now: Date): Promise<void> {
  if (found.length === 0) return
  const added = await tx<
    { id: string; sku: string; location: string; kind: DriftKind; expected: number; found: number; isNew: boolean }[]
  >`
    insert into drift (id, kind, sku, location, expected, found, detail, first_seen, last_seen)
    select *, ${now}::timestamptz, ${now}::timestamptz from unnest(
      ${found.map(() => newId())}::uuid[], ${found.map(({ kind }) => kind)}::text[], ${found.map(({ sku }) => sku)}::text[],
      ${found.map(({ location }) => location)}::text[], ${found.map(({ expected }) => expected)}::bigint[],
      ${found.map(finding => finding.found)}::bigint[], ${found.map(({ detail }) => detail)}::text[])
    on conflict (sku, location, kind) where state = 'open'
      do update set expected = excluded.expected, found = excluded.found, detail = excluded.detail, last_seen = excluded.last_seen
    returning id, sku, location, kind, expected, found, xmax = 0 as "isNew"`
  const events = added
    .filter(({ isNew }) => isNew)
    .map(({ id, sku, location, kind, expected, found: is }) => ({
      type: 'tidemark.stock.drifted.v1' as const,
      data: { driftId: id, sku, location, kind, expected, found: is, seenAt: now.getTime() },
    }))
  await publish(tx, newId, events)
}

/** Drifts of places that have been looked at again and are right now: those behind `after`, up to `last` or to the end. */
export const closeVanished = (
  tx: Tx,
  seen: { after: Place | undefined; last: Place | undefined },
  still: readonly Finding[],
  now: Date,
) => tx`
  update drift d set state = 'vanished', closed_at = ${now}
  where d.state = 'open' and d.kind <> 'transit'
    and (d.sku, d.location) > (${seen.after?.sku ?? ''}, ${seen.after?.location ?? ''})
    ${seen.last ? tx`and (d.sku, d.location) <= (${seen.last.sku}, ${seen.last.location})` : tx``}
    and not exists (
      select from unnest(${still.map(({ sku }) => sku)}::text[], ${still.map(({ location }) => location)}::text[],
        ${still.map(({ kind }) => kind)}::text[]) as still (sku, location, kind)
      where still.sku = d.sku and still.location = d.location and still.kind = d.kind)`

/** The same for transfers, once all of them have been looked at. */
export const closeVanishedTransit = (tx: Tx, still: readonly Finding[], now: Date) => tx`
  update drift d set state = 'vanished', closed_at = ${now}
  where d.state = 'open' and d.kind = 'transit'
    and not exists (
      select from unnest(${still.map(({ sku }) => sku)}::text[], ${still.map(({ location }) => location)}::text[]) as still (sku, location)
      where still.sku = d.sku and still.location = d.location)`

/** Open drifts, oldest first, those of a row together: of some ids, or all. */
export async function openDrifts(
  sql: Queryable,
  filter: { ids?: readonly string[] | undefined; limit: number },
): Promise<Drift[]> {
  const rows = await sql<(Omit<Drift, 'firstSeen' | 'lastSeen'> & { firstSeen: Date; lastSeen: Date })[]>`
    select id, kind, sku, location, expected, found, detail, first_seen as "firstSeen", last_seen as "lastSeen"
    from drift
    where state = 'open' and (${filter.ids ?? null}::uuid[] is null or id = any (${filter.ids ?? null}::uuid[]))
    order by first_seen, sku, location, kind limit ${filter.limit}`
  return rows.map(row => ({ ...row, firstSeen: row.firstSeen.toISOString(), lastSeen: row.lastSeen.toISOString() }))
}

export async function driftCounts(sql: Queryable): Promise<Record<DriftKind, number>> {
  const rows = await sql<
    { kind: DriftKind; count: number }[]
  >`select kind, count(*) as count from drift where state = 'open' group by kind`
  const counted = new Map(rows.map(({ kind, count }) => [kind, count]))
  return Object.fromEntries(driftKinds.map(kind => [kind, counted.get(kind) ?? 0])) as Record<DriftKind, number>
}
