import { randomBytes, randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { type FcmServer, startFcm } from '../../local/providers/fcm.ts'
import { type PagerDutyServer, startPagerDuty } from '../../local/providers/pagerduty.ts'
import { type SesServer, startSes } from '../../local/providers/ses.ts'
import { startTwilio, type TwilioServer } from '../../local/providers/twilio.ts'
import { startWebhookReceiver, type WebhookReceiver } from '../../local/providers/webhook-receiver.ts'
import { type Seal, sealWith } from '../../shared/security/seal.ts'
import { type ClonedDatabase, cloneDatabase, type Started, serviceUrls, startFunction } from '../../test/environment.ts'
import type { ChannelName } from './channels/channel.ts'
import { newWebhookSecret } from './channels/webhook-signature.ts'
import { sendPage } from './page.ts'
import type { Priority } from './retry-plan.ts'
import { sendNotification } from './send.ts'

export interface Providers {
  readonly ses: SesServer
  readonly sms: TwilioServer
  readonly push: FcmServer
  readonly pagerduty: PagerDutyServer
  readonly webhook: WebhookReceiver
}

export interface Planned {
  readonly channel: ChannelName
  readonly to?: string
  readonly priority?: Priority
  readonly severity?: 'low' | 'critical' | 'out_of_stock'
  readonly kind?: string
  readonly recipientId?: string
  readonly alertId?: string | null
  readonly fallbacks?: readonly ChannelName[]
  readonly deliverBy?: Date
  readonly html?: string
  readonly state?: string
}

export interface Row {
  readonly id: string
  readonly state: string
  readonly attempts: number
  readonly error: string | null
  readonly channel: ChannelName
  readonly provider_id: string | null
  readonly contact_id: string
  readonly next_attempt_at: Date | null
  readonly deliver_by: Date | null
}

/** For tests: a database of their own, the providers, and rows as the planner would write them. */
export interface Stage {
  readonly sql: postgres.Sql
  readonly seal: Seal
  readonly providers: Providers
  readonly environment: Readonly<Record<string, string>>
  readonly webhookSecret: string
  /** A recipient who can be told by each channel. */
  recipient(channels?: readonly ChannelName[]): Promise<string>
  plan(planned: Planned): Promise<string>
  planMany(count: number, planned: Planned): Promise<string[]>
  row(id: string): Promise<Row>
  history(id: string): Promise<string[]>
  send(id: string, by?: Started): Promise<number>
  lane(lane: Priority, more?: Readonly<Record<string, string>>): Promise<Started>
  close(): Promise<void>
}

export const from = 'stock@tidemark.example'

export async function openStage(more: { callbacks?: string } = {}): Promise<Stage> {
  const keys = `a:${randomBytes(32).toString('base64url')}`
  const seal = sealWith(() => keys)
  const [ses, sms, push, pagerduty, webhook, cloned] = await Promise.all([
    startSes({ moto: serviceUrls().ses }),
    startTwilio({ callbacks: more.callbacks !== undefined }),
    startFcm(),
    startPagerDuty(),
    startWebhookReceiver(),
    cloneDatabase('notifications') as Promise<ClonedDatabase>,
  ])
  const providers: Providers = { ses, sms, push, pagerduty, webhook }
  const webhookSecret = newWebhookSecret()
  webhook.secret = webhookSecret
  const sql = postgres(cloned.url, { max: 4 })
  await verifySender()
  const started: Started[] = []
  const environment = {
    SEALING_KEYS: keys,
    NOTIFICATIONS_DATABASE_URL: cloned.url,
    REDIS_URL: serviceUrls().redis,
    NOTIFY_FROM: from,
    SES_ENDPOINT: ses.url,
    SES_CONFIGURATION_SET: 'tidemark',
    AWS_ACCESS_KEY_ID: 'any',
    AWS_SECRET_ACCESS_KEY: 'any',
    TWILIO_ACCOUNT_SID: sms.accountSid,
    TWILIO_AUTH_TOKEN: sms.authToken,
    TWILIO_FROM: '+15005550006',
    TWILIO_URL: sms.url,
    FCM_SERVICE_ACCOUNT: push.serviceAccount,
    FCM_URL: push.url,
    PAGERDUTY_URL: pagerduty.url,
    PAGERDUTY_WEBHOOK_SECRETS: pagerduty.webhookSecret,
    WEBHOOK_PRIVATE: 'true',
    SEND_DEADLINE: '1000',
    SNS_TOPICS: ses.topicArn,
    SNS_URLS: `${ses.url.replaceAll('.', '\\.')}/[^\\s]*`,
    // Rates are a test of their own: tests that run beside it share this Redis.
    ...Object.fromEntries(['EMAIL', 'SMS', 'PUSH', 'PAGERDUTY', 'WEBHOOK'].map(name => [`RATE_${name}`, '0'])),
    ...(more.callbacks && { PUBLIC_URL: more.callbacks }),
  }
  const addresses: Record<ChannelName, () => string> = {
    email: () => `keeper-${randomBytes(4).toString('hex')}@tidemark.example`,
    sms: () => `+4477009${String(Math.floor(Math.random() * 1e5)).padStart(5, '0')}`,
    push: () => `device:${randomBytes(12).toString('hex')}`,
    pagerduty: () => pagerduty.routingKey,
    webhook: () => `${webhook.url}/hooks/${randomBytes(4).toString('hex')}`,
  }

  async function contact(recipientId: string, channel: ChannelName, address = addresses[channel]()) {
    const id = randomUUID()
    const secrets = channel === 'webhook' ? await seal.seal(JSON.stringify([{ secret: webhookSecret }])) : null
    await sql`
      insert into contact (id, recipient_id, channel, address, fingerprint, secrets, created_at, updated_at)
      values (${id}, ${recipientId}, ${channel}, ${await seal.seal(address)}, ${randomUUID()}, ${secrets}, now(), now())`
    return id
  }

  async function recipient(channels: readonly ChannelName[] = []): Promise<string> {
    const id = randomUUID()
    await sql`insert into recipient (id, name, created_at, updated_at) values (${id}, 'Robin', now(), now())`
    for (const channel of channels) await contact(id, channel)
    return id
  }

  async function planMany(count: number, planned: Planned): Promise<string[]> {
    const recipientId = planned.recipientId ?? (await recipient())
    const [known] = await sql<{ id: string; address: string }[]>`
      select id, address from contact where recipient_id = ${recipientId} and channel = ${planned.channel} limit 1`
    const contactId = planned.to || !known ? await contact(recipientId, planned.channel, planned.to) : known.id
    const [{ address } = { address: '' }] = await sql<{ address: string }[]>`select address from contact where id = ${contactId}`
    const ids = Array.from({ length: count }, () => randomUUID())
    await sql`
      insert into notification (id, alert_id, channel, recipient, subject, state, attempts, traceparent, created_at, updated_at, dedup_key,
        kind, priority, severity, recipient_id, contact_id, body, html, payload, deliver_by, fallback_channels)
      select id::uuid, ${planned.alertId === undefined ? randomUUID() : planned.alertId}, ${planned.channel}, ${address}, '85123A is low',
        ${planned.state ?? 'queued'}, 0, '', date_trunc('milliseconds', now()), now(), id, ${planned.kind ?? 'alert'}, ${planned.priority ?? 'normal'},
        ${planned.severity ?? 'low'}, ${recipientId}, ${contactId}, 'Notification ' || id, ${planned.html ?? null}, '{"alerts":[]}',
        ${planned.deliverBy ?? null}, ${`{${(planned.fallbacks ?? []).join(',')}}`}::text[]
      from unnest(${ids}::text[]) as new (id)`
    return ids
  }

  const stage: Stage = {
    ...{ sql, seal, providers, environment, webhookSecret, recipient, planMany },
    plan: async planned => (await planMany(1, planned))[0] as string,
    async row(id) {
      const [row] = await sql<Row[]>`select * from notification where id = ${id}`
      if (!row) throw new Error(`There is no notification ${id}.`)
      return row
    },
    async history(id) {
      const steps = await sql<{ state: string }[]>`
        select state from notification_history where notification_id = ${id} order by at, id`
      return steps.map(({ state }) => state)
    },
    async send(id, by = started[0] as Started) {
      const { channel } = await stage.row(id)
      const isUrgent = by !== undefined && urgent.has(by)
      const type = isUrgent ? 'tidemark.page.queued.v1' : 'tidemark.notification.queued.v1'
      return by.deliver(type, { notificationId: id, channel, attempt: 1 })
    },
    async lane(lane, own = {}) {
      const running = await startFunction(lane === 'urgent' ? sendPage : sendNotification, { ...environment, ...own })
      started.push(running)
      if (lane === 'urgent') urgent.add(running)
      return running
    },
    async close() {
      await Promise.all(started.map(each => each.stop()))
      await Promise.all([sql.end(), ...Object.values(providers).map(provider => provider.close())])
      await cloned.drop()
    },
  }
  const urgent = new WeakSet<Started>()
  return stage
}

/** SES takes mails of verified senders only. */
async function verifySender(): Promise<void> {
  const { SESClient, VerifyEmailIdentityCommand } = await import('@aws-sdk/client-ses')
  const credentials = { accessKeyId: 'any', secretAccessKey: 'any' }
  const ses = new SESClient({ endpoint: serviceUrls().ses, region: 'eu-west-1', credentials })
  await ses.send(new VerifyEmailIdentityCommand({ EmailAddress: from }))
  ses.destroy()
}
