import { z } from 'zod'
import { setting } from '../../shared/config.ts'
import type { Database } from '../../shared/data/postgres.ts'
import { schedule } from '../../shared/function/declare.ts'
import { databases } from '../../shared/function/resources.ts'

/** Rows deleted by one statement: short locks, and a deadline that one round keeps. */
const roundLimit = 50_000

export const forget = schedule({
  name: 'records-forget',
  summary: 'Delete first answers and handled events that nobody will repeat',
  cron: '17 * * * *',
  uses: ['db:inventory', 'db:orders', 'db:payments', 'db:alerts', 'db:notifications'],
  config: z.object({
    /** Hours within which a client may repeat a write. */
    ANSWERS_HOURS: setting.count(72),
    /** Hours within which an event may be delivered again: longer than Kafka keeps it (7 days). */
    EVENTS_HOURS: setting.count(14 * 24),
    /** Days for which it is remembered of an alert that ended what it was: longer than any of its events may come again. */
    ENDED_DAYS: setting.count(90),
  }),
  scale: { max: 1 },
  async handle({ db, config }) {
    for (const name of databases) {
      const { sql } = db[name]
      await sql`
        delete from idempotency where key in (
          select key from idempotency where created_at < now() - make_interval(hours => ${config.ANSWERS_HOURS}) limit ${roundLimit})`
      await sql`
        delete from inbox where (consumer, event_id) in (
          select consumer, event_id from inbox where handled_at < now() - make_interval(hours => ${config.EVENTS_HOURS}) limit ${roundLimit})`
    }
    // The errors of an import go with it. It could not be gone on with any more: the first answers of its rows are forgotten.
    await db.inventory.sql`
      delete from import where id in (
        select id from import where started_at < now() - make_interval(hours => ${config.EVENTS_HOURS}) limit ${roundLimit})`
    await forgetRecipients(db.notifications)
    await forgetEnded(db.notifications, config.ENDED_DAYS)
  },
})

/** Takes the address and the words out of what forgotten recipients were told. Who, what and when stays for the auditor. */
async function forgetRecipients({ sql }: Database): Promise<void> {
  const left = await sql<{ id: string; replacement: string }[]>`
    select id, replacement from recipient_forgotten where erased_at is null order by forgotten_at limit 100`
  for (const { id, replacement } of left) {
    // Those that are being sent at this moment are erased in the next round.
    const erased = await sql`
      update notification set recipient = ${replacement}, subject = '', body = null, html = null
      where id in (
        select id from notification where recipient_id = ${id} and state <> 'sending' and recipient <> ${replacement} limit ${roundLimit})`
    if (erased.count === roundLimit) return
    await sql`
      update recipient_forgotten set erased_at = now()
      where id = ${id} and not exists (select 1 from notification where recipient_id = ${id} and recipient <> ${replacement})`
  }
}

/** What planning kept of alerts that ended long ago, of groups that are empty, and of hours that are over. Notifications stay. */
async function forgetEnded({ sql }: Database, days: number): Promise<void> {
  await sql`
    delete from standing where alert_id in (
      select alert_id from standing where resolved_at < now() - make_interval(days => ${days}) limit ${roundLimit})`
  await sql`
    delete from notification_group g
    where coalesce(flushed_at, now()) < now() - interval '2 days' and flush_at is null
      and not exists (select 1 from notification_group_alert a where a.group_id = g.id)`
  await sql`delete from throttle where hour < now() - interval '2 days'`
  await sql`delete from digest where closed_at < now() - make_interval(days => ${days})`
  await sql`delete from escalation_told where told_at < now() - make_interval(days => ${days})`
}
