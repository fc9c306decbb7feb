import type { Tx } from '../../shared/data/postgres.ts'
import type { Finding } from './reconcile-judge.ts'

/** Transfers that one statement proves. */
const batchTransfers = 500

interface Line {
  transfer: string
  sku: string
  source: string
  expected: number
  found: number
}

/**
 * The units that transfers took from the shelves and have not put back, by their movements, against what their lines say. Those that
 * are still in transit, or all whose movements are still here: an archive leaves none behind that is in transit.
 */
export async function examineTransfers(tx: Tx, after: string | undefined, mode: 'incremental' | 'full') {
  const [batch] = await tx<{ last: string | null; isEnd: boolean; wrong: Line[] }[]>`
    with chosen as materialized (
      select id, source from transfer
      where (${after ?? null}::uuid is null or id > ${after ?? null}::uuid) and (state = 'in_transit' or (
        ${mode === 'full'}::boolean and created_at >= (select coalesce(max(ends), '-infinity') from movement_archive)))
      order by id limit ${batchTransfers}
    ),
    line as (
      select s.id, s.source, l.sku, l.quantity - l.received - l.cancelled as units
      from chosen s join transfer_line l on l.transfer_id = s.id
    ),
    moved as (
      select s.id, m.sku, -sum(m.on_hand_delta)::bigint as units
      from chosen s join movement m on m.reference = s.id::text and m.kind in ('transfer', 'transfer-receive', 'transfer-cancel')
      group by s.id, m.sku
    )
    select (select max(id::text)::uuid from chosen) as last, (select count(*) from chosen) < ${batchTransfers} as "isEnd",
      (select coalesce(jsonb_agg(jsonb_build_object('transfer', l.id, 'sku', l.sku, 'source', l.source,
          'expected', coalesce(m.units, 0), 'found', l.units) order by l.sku, l.source), '[]'::jsonb)
       from line l left join moved m on m.id = l.id and m.sku = l.sku
       where l.units <> coalesce(m.units, 0)) as wrong`
  const { last, isEnd, wrong } = batch as { last: string | null; isEnd: boolean; wrong: Line[] }
  return { last: isEnd ? undefined : (last ?? undefined), found: findings(wrong) }
}

/** A drift is kept by SKU and location: what several transfers from one place lack is one. */
const findings = (wrong: readonly Line[]): Finding[] =>
  [...Map.groupBy(wrong, ({ sku, source }) => `${source} ${sku}`).values()].map(lines => {
    const [{ sku, source }] = lines as [Line, ...Line[]]
    return {
      kind: 'transit',
      sku,
      location: source,
      expected: lines.reduce((sum, line) => sum + line.expected, 0),
      found: lines.reduce((sum, line) => sum + line.found, 0),
      detail: `The lines are not what the movements took: transfer ${lines
        .slice(0, 3)
        .map(({ transfer }) => transfer)
        .join(', ')}.`,
    }
  })
