import type { Database } from '../../../shared/data/postgres.ts'
import { insertHistory } from '../delivery-rows.ts'
import { fallBack } from '../fall-back.ts'
import { disableContact } from '../give-up.ts'
import { givingWayTo, type NotificationState } from '../notification-state.ts'

/** What a provider says of one message. */
export interface Word {
  /** By our id, where the provider was given it, else by the id that the provider gave. */
  readonly of: { readonly notificationId: string } | { readonly channel: string; readonly providerId: string }
  /** Null: nothing about its state. */
  readonly state: NotificationState | null
  readonly providerId: string | null
  readonly detail: string | null
  /** Why nothing is to be sent to the address any more. */
  readonly deadBecause: string | null
}

/**
 * Writes down what a provider says. Said late, twice or out of order it changes nothing that is known better, and about a message that
 * we do not know there is nothing to write.
 *
 * @returns whether there is such a message
 */
export const believe = (database: Database, word: Word, newId: () => string, now: Date): Promise<boolean> =>
  database.transaction(async tx => {
    const { of, state, detail, providerId, deadBecause } = word
    const [row] = await tx<{ id: string; state: NotificationState; contactId: string | null }[]>`
      select id, state, contact_id as "contactId" from notification
      where ${'notificationId' in of ? tx`id = ${of.notificationId}` : tx`channel = ${of.channel} and provider_id = ${of.providerId}`}
      order by created_at desc limit 1 for update`
    if (!row) return false
    const { id, contactId } = row
    if (deadBecause !== null && contactId !== null) await disableContact(tx, contactId, deadBecause, now)
    if (state === null) {
      await insertHistory(tx, [{ id: newId(), notificationId: id, state: row.state, detail }], now)
      return true
    }
    const isTold = state === 'failed' || state === 'bounced'
    const changed = await tx`
      update notification
      set state = ${state}, provider_id = coalesce(provider_id, ${providerId}), next_attempt_at = null,
          error = case when ${isTold} then ${detail} end, updated_at = ${now},
          deliver_by = case when ${state} in ('delivered', 'bounced', 'failed') then null else deliver_by end
      where id = ${id} and state = any (${givingWayTo(state)}::text[])
      returning 1`
    if (changed.length === 0) return true
    await insertHistory(tx, [{ id: newId(), notificationId: id, state, detail }], now)
    if (isTold) await fallBack(tx, [id], newId, now)
    return true
  })
