import { randomBytes, randomUUID } from 'node:crypto'
import postgres from 'postgres'
import type { EventData } from '../../shared/events/generated.ts'
import { sealWith } from '../../shared/security/seal.ts'
import { cloneDatabase, startFunction } from '../../test/environment.ts'
import type { Channel } from './alert-facts.ts'
import { notificationsDue } from './due.ts'
import { planNotifications } from './plan.ts'

type Raised = EventData['tidemark.alert.raised.v1']

export interface Message {
  id: string
  kind: string
  channel: string
  priority: string
  severity: string
  state: string
  subject: string
  body: string
  html: string | null
  payload: { incident: string; count: number; alerts: { sku: string }[] } | null
  recipientId: string | null
  alertId: string | null
  heldUntil: Date | null
  deliverBy: Date | null
  fallbackChannels: string[]
  skus: string[]
  events: string[]
  steps: string[]
}

/** Planning on a database of its own, with the people and the events that a test wants: for tests only. */
export async function planningStage(settings: Record<string, string> = {}) {
  const cloned = await cloneDatabase('notifications')
  const sql = postgres(cloned.url, { max: 2, onnotice: () => {} })
  const keys = `a:${randomBytes(32).toString('base64url')}`
  const seal = sealWith(() => keys)
  const env = { NOTIFICATIONS_DATABASE_URL: cloned.url, NOTIFY_TO: 'keeper@tidemark.example', SEALING_KEYS: keys, ...settings }
  const plan = await startFunction(planNotifications, env)
  const due = await startFunction(notificationsDue, env)

  const raised = (alert: Partial<Raised> = {}): Raised => ({
    ...{ alertId: randomUUID(), sku: '85123A', location: 'main', severity: 'low', available: 3, threshold: 12, stockVersion: 7 },
    ...{ raisedAt: Date.now(), telling: 1, category: null, rule: 'absolute', suggestedOrder: null, muted: null },
    ...alert,
  })
  const end = (alert: Raised) => {
    const { alertId, sku, location } = alert
    return { alertId, sku, location, available: 40, stockVersion: 9, resolvedAt: Date.now(), resolvedBy: null }
  }
  return {
    ...{ url: cloned.url, sql, seal, env, plan, due, raised },
    raise: (alert: Raised, id = randomUUID()) => plan.deliver('tidemark.alert.raised.v1', alert, { id }),
    resolve: (alert: Raised) => plan.deliver('tidemark.alert.resolved.v1', end(alert)),
    acknowledge: ({ alertId, sku, location }: Raised, acknowledgedAt = Date.now()) =>
      plan.deliver('tidemark.alert.acknowledged.v1', { alertId, sku, location, acknowledgedAt, acknowledgedBy: 'berta' }),
    escalate: (alert: Raised, targets: string[], step = 1) => {
      const { alertId, sku, location, severity, available, threshold, category } = alert
      const policy = { policyId: 'night', step, targets, channels: [], escalatedAt: Date.now() }
      return plan.deliver('tidemark.alert.escalated.v1', {
        ...{ alertId, sku, location, severity, available, threshold, category },
        ...policy,
      })
    },

    /** A recipient with a contact for each channel. */
    async person(
      reach: readonly Channel[],
      { timeZone = 'UTC', locale = 'en', roles = [] as string[], quiet = null as [string, string] | null } = {},
    ): Promise<string> {
      const id = randomUUID()
      await sql`
        insert into recipient (id, name, time_zone, locale, roles, quiet_from, quiet_to, created_at, updated_at)
        values (${id}, ${await seal.seal('Berta Keller')}, ${timeZone}, ${locale}, ${roles}, ${quiet?.[0] ?? null}, ${quiet?.[1] ?? null}, now(), now())`
      for (const channel of reach) {
        await sql`
          insert into contact (id, recipient_id, channel, address, fingerprint, created_at, updated_at)
          values (${randomUUID()}, ${id}, ${channel}, ${await seal.seal(`${channel} of berta`)}, ${randomUUID()}, now(), now())`
      }
      return id
    },

    async route(receivers: object[], more: Record<string, unknown> = {}): Promise<string> {
      const route = {
        ...{
          position: 100,
          matcher: {},
          channels: [],
          groupBy: ['location'],
          wait: 0,
          interval: 60,
          urgentWait: 0,
          urgentInterval: 5,
        },
        ...{ repeat: null, tellRecovery: ['pagerduty', 'webhook'], continues: false },
        ...more,
      }
      const id = randomUUID()
      await sql`
        insert into notification_route (id, position, name, matcher, receivers, channels, group_by, group_wait, group_interval,
          urgent_group_wait, urgent_group_interval, repeat_interval, tell_recovery, continues, enabled, version, created_at, updated_at, updated_by)
        values (${id}, ${route.position}, 'test', ${sql.json(route.matcher)}, ${sql.json(receivers as never)}, ${route.channels}, ${route.groupBy},
          ${route.wait}, ${route.interval}, ${route.urgentWait}, ${route.urgentInterval}, ${route.repeat}, ${route.tellRecovery},
          ${route.continues}, true, 1, now(), now(), 'test')`
      return id
    },

    prefer: (id: string, channel: Channel, { minimum = 'low', digestAt = null as string | null, optedOut = false } = {}) => sql`
      insert into preference (recipient_id, channel, minimum_severity, digest_at, opted_out)
      values (${id}, ${channel}, ${minimum}, ${digestAt}, ${optedOut})`,

    /** All messages in the order in which they were made. */
    messages: () => sql<Message[]>`
      select n.id, kind, channel, priority, severity, state, subject, body, html, payload, recipient_id as "recipientId",
        alert_id as "alertId", case when held then next_attempt_at end as "heldUntil", deliver_by as "deliverBy",
        fallback_channels as "fallbackChannels",
        array(select s.sku from notification_alert a join standing s using (alert_id) where notification_id = n.id order by s.sku) as skus,
        array(select type from outbox where key = n.id::text order by id) as events,
        array(select h.state from notification_history h where notification_id = n.id order by at, h.id) as steps
      from notification n order by n.id`,

    /** What waits is made due: as if time had passed. */
    async later() {
      await sql`update notification_group set flush_at = now() - interval '1 second' where flush_at is not null`
      await sql`update notification_group set repeat_at = now() - interval '1 second' where repeat_at is not null`
      await sql`update notification set next_attempt_at = now() - interval '1 second' where held`
      await sql`update digest set due_at = now() - interval '1 second' where closed_at is null`
      return due.tick()
    },

    async reset() {
      await sql`
        truncate notification, notification_alert, notification_history, standing, notification_group, notification_group_alert,
          recipient, recipient_group, recipient_group_member, contact, preference, notification_route, digest, digest_alert, throttle,
          escalation_told, template_version, outbox cascade`
    },

    async stop() {
      await Promise.all([plan.stop(), due.stop(), sql.end()])
      await cloned.drop()
    },
  }
}
