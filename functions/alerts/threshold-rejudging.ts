import type { Place } from '../../shared/data/locking-order.ts'
import type { Database, Tx } from '../../shared/data/postgres.ts'
import { evaluateAgain } from './evaluation.ts'

/** What may have changed for many places: whatever inherits from these is judged again. */
export interface Widely {
  readonly skus: readonly string[]
  readonly categories: readonly string[]
  readonly locations: readonly string[]
  readonly everything: boolean
}

/**
 * Seconds before a walk begins. An event that is judged while a threshold is set may still go by the old one, at a place that nobody
 * else can see yet: its transaction has ended by then, for no statement may take longer than ten seconds.
 */
const patience = 15

/** Places judged in one transaction. */
const together = 200

/** Notes that places have to be judged again, in the transaction of the change. */
export async function rejudge(tx: Tx, widely: Widely, newId: () => string, at: Date): Promise<void> {
  const { skus, categories, locations, everything } = widely
  const note = (kind: 'skus' | 'categories' | 'locations' | undefined, keys: readonly string[]) => tx`
    insert into rejudging (id, skus, categories, locations, at) values (
      ${newId()}, ${kind === 'skus' ? keys : null}::text[], ${kind === 'categories' ? keys : null}::text[],
      ${kind === 'locations' ? keys : null}::text[], ${at})`
  if (everything) {
    await note(undefined, [])
    return
  }
  if (skus.length > 0) await note('skus', skus)
  if (categories.length > 0) await note('categories', categories)
  if (locations.length > 0) await note('locations', locations)
}

interface Rejudging {
  readonly id: string
  readonly skus: string | null
  readonly categories: string | null
  readonly locations: string | null
  readonly afterSku: string
  readonly afterLocation: string
}

/**
 * Judges the next places of the oldest walk. How far it has come is kept with what was judged: a walk that is cut off goes on.
 * @returns false when there is nothing to do
 */
export function judgeNextPlaces(database: Database, newId: () => string, now: Date): Promise<boolean> {
  return database.transaction(async tx => {
    const [walk] = await tx<Rejudging[]>`
      select id, skus, categories, locations, after_sku as "afterSku", after_location as "afterLocation" from rejudging
      where at <= ${new Date(now.getTime() - patience * 1_000)} order by at, id limit 1 for update skip locked`
    if (!walk) return false
    const places = await nextPlaces(tx, walk)
    await evaluateAgain(tx, places, newId, now)
    const last = places.at(-1)
    if (last && places.length === together) {
      await tx`update rejudging set after_sku = ${last.sku}, after_location = ${last.location} where id = ${walk.id}`
    } else await tx`delete from rejudging where id = ${walk.id}`
    return true
  })
}

function nextPlaces(tx: Tx, { skus, categories, locations, afterSku, afterLocation }: Rejudging): PromiseLike<Place[]> {
  const of = skus
    ? tx`seen.sku = any (${skus}::text[])`
    : categories
      ? tx`seen.sku in (select profile.sku from sku_profile profile where profile.category = any (${categories}::text[]))`
      : locations
        ? tx`seen.location = any (${locations}::text[])`
        : tx`true`
  return tx<Place[]>`
    select sku, location from stock_seen seen
    where ${of} and (sku, location) > (${afterSku}, ${afterLocation})
    order by sku, location limit ${together}`
}
