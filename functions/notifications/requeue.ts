import type { Tx } from '../../shared/data/postgres.ts'
import { publish } from '../../shared/events/outbox.ts'
import type { Deps } from '../../shared/function/resources.ts'
import type { ChannelName } from './channels/channel.ts'
import { fallBack, queuedEvent } from './fall-back.ts'
import type { Priority } from './retry-plan.ts'

/** Rows of one transaction. */
const together = 500
/** Milliseconds of one round: what is left over is the next one's. */
const roundMilliseconds = 20_000
/** Seconds after which an announcement counts as lost: its event was set aside, or dead-lettered. */
const lostAfter = 600

/**
 * Announces again what has waited long enough: parked messages, those that a process took and never settled, and those whose event
 * was lost. What is not delivered by its time goes another way.
 */
export async function requeueNotifications({ db, newId, now, log }: Deps<readonly ['db:notifications']>): Promise<void> {
  const at = now()
  const until = Date.now() + roundMilliseconds
  /** One batch at least: late messages do not keep the others waiting for ever. */
  const all = async (batch: typeof requeue) => {
    let count = 0
    let last: number
    do {
      last = await db.notifications.transaction(tx => batch(tx, newId, at))
      count += last
    } while (last === together && Date.now() < until)
    return count
  }
  const late = await all(letLateOnesFallBack)
  const requeued = await all(requeue)
  if (late + requeued > 0) log.info({ late, requeued }, 'messages that waited')
}

/**
 * One that was announced since it became due is on its way: it is announced again only when that was long ago. What quiet hours hold
 * back was never announced: that is done by whoever lets it go.
 */
async function requeue(tx: Tx, newId: () => string, now: Date): Promise<number> {
  const rows = await tx<{ id: string; channel: ChannelName; priority: Priority; attempts: number }[]>`
    update notification set queued_at = ${now}
    where id in (
      select id from notification
      where state in ('queued', 'sending') and not held and coalesce(next_attempt_at, created_at) <= ${now}
        and (queued_at < next_attempt_at or queued_at < ${now}::timestamptz - make_interval(secs => ${lostAfter}))
      order by coalesce(next_attempt_at, created_at) limit ${together} for update skip locked)
    returning id, channel, priority, attempts`
  await publish(tx, newId, rows.map(queuedEvent))
  return rows.length
}

/** Late is late once: of one that finds no other way, nothing more is expected by its time either. */
async function letLateOnesFallBack(tx: Tx, newId: () => string, now: Date): Promise<number> {
  const late = await tx<{ id: string }[]>`
    select id from notification where deliver_by <= ${now} and state in ('queued', 'sending', 'sent')
    order by deliver_by limit ${together} for update skip locked`
  const ids = late.map(({ id }) => id)
  await fallBack(tx, ids, newId, now)
  await tx`update notification set deliver_by = null where id = any (${ids}::uuid[])`
  return ids.length
}
