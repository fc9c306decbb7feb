import type { Database } from '../../shared/data/postgres.ts'
import { insertHistory } from './delivery-rows.ts'
import { fallBack } from './fall-back.ts'

export interface GivenUp {
  readonly id: string
  readonly attempts: number
  readonly reason: string
  /** The address is dead: nothing is sent there any more. */
  readonly deadContact: string | null
}

/** A message that will not be taken: told why, and planned anew on the next channel, in one transaction. */
export const giveUp = (database: Database, { id, attempts, reason, deadContact }: GivenUp, newId: () => string, now: Date) =>
  database.transaction(async tx => {
    const failed = await tx`
      update notification set state = 'failed', error = ${reason}, next_attempt_at = null, updated_at = ${now}
      where id = ${id} and state = 'sending' and attempts = ${attempts}
      returning 1`
    if (deadContact !== null) await disableContact(tx, deadContact, reason, now)
    if (failed.length === 0) return
    await insertHistory(tx, [{ id: newId(), notificationId: id, state: 'failed', detail: reason }], now)
    await fallBack(tx, [id], newId, now)
  })

/** Nothing is sent to a dead address any more; why it died first stays. */
export const disableContact = (
  tx: Parameters<Parameters<Database['transaction']>[0]>[0],
  id: string,
  reason: string,
  now: Date,
) => tx`
  update contact set disabled_at = ${now}, disabled_reason = ${reason}, updated_at = ${now} where id = ${id} and disabled_at is null`
