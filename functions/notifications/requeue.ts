import type { Tx } from '../../shared/data/postgres.ts'
import { publish } from '../../shared/events/outbox.ts'
import { schedule } from '../../shared/function/declare.ts'
import type { ChannelName } from './channels/channel.ts'
import { fallBack, queuedEvent } from './fall-back.ts'
import type { Priority } from './retry-plan.ts'

/** Rows of one transaction. */
const together = 500
/** Seconds after which an announcement counts as lost: its event was set aside, or dead-lettered. */
const lostAfter = 600

/**
 * Announces again what has waited long enough: parked messages, those that a process took and never settled, and those whose event
 * was lost. What is not delivered by its time goes another way.
 */
export const requeueNotifications = schedule({
  name: 'notifications-requeue',
  summary: 'Announce waiting messages again, and let late ones fall back',
  cron: '* * * * *',
  uses: ['db:notifications'],
  scale: { max: 1 },
  async handle({ db, newId, now, log }) {
    const at = now()
    const all = async (round: typeof requeue) => {
      let count = 0
      for (let last = together; last === together; count += last) {
        last = await db.notifications.transaction(tx => round(tx, newId, at))
      }
      return count
    }
    const late = await all(letLateOnesFallBack)
    const requeued = await all(requeue)
    if (late + requeued > 0) log.info({ late, requeued }, 'messages that waited')
  },
})

/** One that was announced since it became due is on its way: it is announced again only when that was long ago. */
async function requeue(tx: Tx, newId: () => string, now: Date): Promise<number> {
  const rows = await tx<{ id: string; channel: ChannelName; priority: Priority; attempts: number }[]>`
    update notification set queued_at = ${now}
    where id in (
      select id from notification
      where state in ('queued', 'sending') and coalesce(next_attempt_at, created_at) <= ${now}
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
