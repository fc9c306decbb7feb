import { z } from 'zod'
import { setting } from '../../shared/config.ts'
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
  },
})
