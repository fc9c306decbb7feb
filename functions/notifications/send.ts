import { z } from 'zod'
import { secret, setting } from '../../shared/config.ts'
import type { Database } from '../../shared/data/postgres.ts'
import { Rejected } from '../../shared/errors.ts'
import { currentTraceparent } from '../../shared/events/outbox.ts'
import { event } from '../../shared/function/declare.ts'
import { sealingKeysPattern, sealWith } from '../../shared/security/seal.ts'
import { sesMailer } from './mailer.ts'
import { messageFor } from './notification.ts'

export const sendNotification = event({
  name: 'notifications-send',
  summary: 'Tell a person about an alert',
  topic: 'alerts',
  types: ['tidemark.alert.raised.v1'],
  // Each alert is told once, whatever the order.
  order: 'unordered',
  uses: ['db:notifications'],
  providers: ['Amazon SES'],
  config: z.object({
    NOTIFY_FROM: z.email(),
    NOTIFY_TO: z.email(),
    SEALING_KEYS: secret(z.string().regex(sealingKeysPattern, 'expected id:key, the key being 32 bytes in base64url')),
    SES_ENDPOINT: setting.url().optional(),
    AWS_REGION: z.string().default('eu-west-1'),
    AWS_ACCESS_KEY_ID: secret(z.string().optional()),
    AWS_SECRET_ACCESS_KEY: secret(z.string().optional()),
  }),
  scale: { max: 5, concurrency: 20, retention: 30 },
  setup: ({ config }) => ({
    seal: sealWith(() => config.SEALING_KEYS),
    mailer: sesMailer(() => ({
      endpoint: config.SES_ENDPOINT,
      region: config.AWS_REGION,
      accessKeyId: config.AWS_ACCESS_KEY_ID,
      secretAccessKey: config.AWS_SECRET_ACCESS_KEY,
    })),
  }),
  async handle({ db, config, seal, mailer, newId, now }, { data: alert }) {
    const message = messageFor(alert)
    const claimed = await claim(db.notifications, {
      id: newId(),
      alertId: alert.alertId,
      telling: alert.telling,
      recipient: await seal.seal(config.NOTIFY_TO),
      subject: message.subject,
      now: now(),
    })
    if (!claimed) return
    try {
      const providerId = await mailer.send({ ...message, from: config.NOTIFY_FROM, to: config.NOTIFY_TO, tag: alert.alertId })
      await settle(db.notifications, claimed, 'sent', now(), providerId, null)
    } catch (error) {
      if (error instanceof Rejected) await settle(db.notifications, claimed, 'failed', now(), null, error.message)
      throw error
    }
  },
})

/**
 * Notes that the mail is on its way, before it is. A delivery that finds it `sent` or `failed` has nothing to do. One that finds it
 * `sending` follows a crash or a time-out, when nobody knows whether the provider took it, and SES has no idempotency key: it is
 * sent again, for an alert told twice is better than one never told.
 * @returns the notification's id, or undefined when there is nothing to do
 */
async function claim(
  database: Database,
  notification: { id: string; alertId: string; telling: number; recipient: string; subject: string; now: Date },
): Promise<string | undefined> {
  const { id, alertId, telling, recipient, subject, now } = notification
  const [row] = await database.sql<{ id: string }[]>`
    insert into notification as n (id, alert_id, telling, channel, recipient, subject, state, attempts, traceparent, created_at, updated_at)
    values (${id}, ${alertId}, ${telling}, 'email', ${recipient}, ${subject}, 'sending', 1, ${currentTraceparent()}, ${now}, ${now})
    on conflict (alert_id, telling, channel) do update set attempts = n.attempts + 1, updated_at = excluded.updated_at
      where n.state = 'sending'
    returning id`
  return row?.id
}

const settle = (
  database: Database,
  id: string,
  state: 'sent' | 'failed',
  now: Date,
  providerId: string | null,
  error: string | null,
): PromiseLike<unknown> => database.sql`
  update notification set state = ${state}, provider_id = ${providerId}, error = ${error}, updated_at = ${now} where id = ${id}`
