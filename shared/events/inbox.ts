import type { Tx } from '../data/postgres.ts'

/**
 * Notes in the handler's own transaction that `consumer` has handled an event. A second delivery, even one that runs at the same
 * time, waits for the first and is told that there is nothing to do.
 * @returns false when the event was handled before
 */
export async function firstDelivery(tx: Tx, consumer: string, eventId: string): Promise<boolean> {
  const rows = await tx`
    insert into inbox (consumer, event_id) values (${consumer}, ${eventId}) on conflict do nothing returning 1`
  return rows.length > 0
}
