import type { Tx } from '../../shared/data/postgres.ts'
import { hourOf } from './audience.ts'

/**
 * How many of the messages that somebody is about to get this hour are within the limit, by `recipient channel`. Counted by the database,
 * in one order: two transactions that plan for the same person wait for each other.
 */
export async function withinThrottle(
  tx: Tx,
  wanted: ReadonlyMap<string, number>,
  limit: number,
  now: Date,
): Promise<Map<string, number>> {
  if (wanted.size === 0) return new Map()
  const entries = [...wanted].sort(([one], [other]) => (one < other ? -1 : 1))
  const names = entries.map(([key]) => key.split(' ') as [string, string])
  const rows = await tx<{ key: string; messages: number }[]>`
    insert into throttle as t (recipient_id, channel, hour, messages)
    select recipient_id, channel, ${hourOf(now)}, messages
    from unnest(${names.map(([id]) => id)}::uuid[], ${names.map(([, channel]) => channel)}::text[],
      ${entries.map(([, count]) => count)}::int[]) as wanted (recipient_id, channel, messages)
    on conflict (recipient_id, channel, hour) do update set messages = t.messages + excluded.messages
    returning recipient_id || ' ' || channel as key, messages`
  return new Map(
    rows.map(({ key, messages }) => [
      key,
      Math.max(0, Math.min(wanted.get(key) ?? 0, limit - messages + (wanted.get(key) ?? 0))),
    ]),
  )
}
