import type { Database, Queryable, Tx } from '../../shared/data/postgres.ts'
import { type ArchiveManifest, type Sums, sameSums } from './archive-files.ts'

/** What a part of the ledger adds up to now. */
export async function sumsOf(sql: Queryable, partition: string): Promise<Sums> {
  const [sums] = await sql<Sums[]>`
    select count(*) as rows, coalesce(sum(on_hand_delta), 0)::bigint as "onHand",
      coalesce(sum(reserved_delta), 0)::bigint as reserved
    from ${sql(partition)}`
  return sums as Sums
}

/**
 * The moment in which a part of the ledger becomes archived: its sums are added to those that the proof of each row begins at, and from
 * the same commit on no proof reads it. Only `proof` is locked; sales go on.
 */
export const carry = (database: Database, manifest: ArchiveManifest, path: string, now: Date): Promise<void> =>
  database.transaction(async tx => {
    await tx`set local statement_timeout = 0`
    await tx`set local lock_timeout = '60s'`
    await assertUnneeded(tx, manifest)
    const [carried] = await tx<(Sums & { places: number; proved: number })[]>`
      with summed as materialized (
        select sku, location, count(*) as versions, max(version) as newest, sum(on_hand_delta)::bigint as on_hand,
          sum(reserved_delta)::bigint as reserved
        from ${tx(manifest.partition)} group by sku, location
      ), carried as (
        update proof p set archived_versions = p.archived_versions + s.versions,
          archived_newest = greatest(p.archived_newest, s.newest),
          archived_on_hand = p.archived_on_hand + s.on_hand, archived_reserved = p.archived_reserved + s.reserved
        from summed s where p.sku = s.sku and p.location = s.location and p.version >= s.newest
        returning s.versions, s.on_hand, s.reserved
      )
      select (select count(*) from summed) as places, count(*) as proved, coalesce(sum(versions), 0)::bigint as rows,
        coalesce(sum(on_hand), 0)::bigint as "onHand", coalesce(sum(reserved), 0)::bigint as reserved
      from carried`
    const { places, proved } = carried as { places: number; proved: number }
    if (places !== proved) throw new Error(`${manifest.partition}: ${places - proved} rows of stock are not proved up to its end`)
    if (!sameSums(carried as Sums, manifest)) throw new Error(`${manifest.partition} was changed after it had been exported`)
    const { partition, ends, rows, onHand, reserved } = manifest
    await tx`
      insert into movement_archive (partition, ends, rows, on_hand, reserved, manifest, carried_at)
      values (${partition}, ${ends}, ${rows}, ${onHand}, ${reserved}, ${path}, ${now})`
  })

/** What is open still reads its own movements, and where stock drifts they are the evidence. */
async function assertUnneeded(tx: Tx, { partition, ends }: ArchiveManifest): Promise<void> {
  const [open] = await tx<{ drifts: number; transfers: number; counts: number }[]>`
    select (select count(*) from drift where state = 'open') as drifts,
      (select count(*) from transfer where state = 'in_transit' and created_at < ${ends}) as transfers,
      (select count(*) from cycle_count where state = 'open' and opened_at < ${ends}) as counts`
  const { drifts, transfers, counts } = open as { drifts: number; transfers: number; counts: number }
  if (drifts > 0) throw new Error(`${partition} is kept: stock drifts in ${drifts} rows; repair that first`)
  if (transfers > 0) throw new Error(`${partition} is kept: ${transfers} transfers from before its end are still in transit`)
  if (counts > 0) throw new Error(`${partition} is kept: ${counts} cycle counts from before its end are still open`)
}
