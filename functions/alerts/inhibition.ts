import type { Queryable } from '../../shared/data/postgres.ts'
import type { EventData } from '../../shared/events/generated.ts'

/** Days that a count mutes its shelves: one that nobody closes must not hide for ever that they are empty. */
const longest = 3

/**
 * That a count has begun, and that it is over: each says the same however often and in whatever order they come. What was closed stays
 * so, and the events need no inbox.
 */
export const noteCountOpened = (sql: Queryable, count: EventData['tidemark.count.opened.v1']) => {
  const { countId, location, skus, skuPrefix, openedAt } = count
  return sql`
    insert into inhibition (count_id, location, skus, sku_prefixes, starts_at, ends_at)
    values (${countId}, ${location}, ${skus as string[] | null}::text[], ${skuPrefix === null ? null : [skuPrefix]}::text[],
      ${new Date(openedAt)}, ${new Date(openedAt + longest * 86_400_000)})
    on conflict (count_id) do nothing`
}

export const noteCountClosed = (sql: Queryable, count: EventData['tidemark.count.closed.v1']) => {
  const closedAt = new Date(count.closedAt)
  return sql`
    insert into inhibition as known (count_id, location, starts_at, ends_at)
    values (${count.countId}, ${count.location}, ${closedAt}, ${closedAt})
    on conflict (count_id) do update
      set ends_at = least(known.ends_at, excluded.ends_at), starts_at = least(known.starts_at, excluded.ends_at)`
}
