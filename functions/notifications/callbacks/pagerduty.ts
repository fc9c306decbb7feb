import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import type { Database } from '../../../shared/data/postgres.ts'
import { Rejected, Transient } from '../../../shared/errors.ts'
import { callbackOperation, Received, received } from './callback.ts'

/** https://developer.pagerduty.com/docs/webhooks-overview#webhook-payload */
const Webhook = z.object({
  event: z.object({
    id: z.string().min(1).max(100),
    event_type: z.string(),
    agent: z.object({ summary: z.string().optional() }).nullish(),
    data: z.looseObject({ incident_key: z.string().nullish() }),
  }),
})

/** The most that alerts-respond takes at once. */
const together = 1_000

export const pagerdutyWebhook = callbackOperation({
  id: 'callbacks-pagerduty',
  route: 'POST /v1/callbacks/pagerduty',
  summary: 'PagerDuty says that somebody is at it',
  description:
    'Called by PagerDuty, which signs it: its acknowledgement acknowledges the alerts. Doing it again changes nothing.',
  signed: { by: 'X-PagerDuty-Signature', takes: ['application/json'] },
  example: { event: { id: '01', event_type: 'incident.acknowledged', data: { incident_key: 'the alert' } } },
  input: z.object({}),
  output: Received,
  async handle({ db, call, config }, _input, { raw, headers }) {
    const { PAGERDUTY_WEBHOOK_SECRETS } = config
    if (!PAGERDUTY_WEBHOOK_SECRETS) throw new Transient('unavailable', 'PAGERDUTY_WEBHOOK_SECRETS is absent.')
    if (!isGenuine(raw, String(headers['x-pagerduty-signature'] ?? ''), PAGERDUTY_WEBHOOK_SECRETS.split(','))) {
      throw new Rejected('invalid_signature')
    }
    const { id, event_type, agent, data } = read(raw)
    if (event_type !== 'incident.acknowledged' || !data.incident_key) return received
    const ids = await alertsOf(db.notifications, data.incident_key)
    for (let from = 0; from < ids.length; from += together) {
      await call['alerts-respond'].request({
        method: 'POST',
        path: '/v1/alerts/acknowledge',
        body: {
          ids: ids.slice(from, from + together),
          note: `Acknowledged at PagerDuty by ${agent?.summary ?? 'somebody'}.`.slice(0, 500),
        },
        // The event's own: PagerDuty repeats one that it got no answer to.
        idempotencyKey: `pagerduty:${id}:${from}`,
        output: z.object({ results: z.array(z.unknown()) }),
      })
    }
    return received
  },
})

/** One of the signatures by one of the secrets: on both sides there are two while one takes the other's place. */
function isGenuine(raw: Buffer, header: string, secrets: readonly string[]): boolean {
  const given = header.split(',').map(part => Buffer.from(part.trim()))
  return secrets.some(secret => {
    const expected = Buffer.from(`v1=${createHmac('sha256', secret.trim()).update(raw).digest('hex')}`)
    return given.some(signature => signature.length === expected.length && timingSafeEqual(signature, expected))
  })
}

function read(raw: Buffer) {
  try {
    return Webhook.parse(JSON.parse(raw.toString())).event
  } catch {
    throw new Rejected('malformed_request', 'The body is no webhook of PagerDuty, version 3.')
  }
}

/** The alerts of an incident: those that its messages are about. What is none of ours has none. */
async function alertsOf(database: Database, incident: string): Promise<string[]> {
  const rows = await database.sql<{ alertId: string }[]>`
    select distinct coalesce(a.alert_id, n.alert_id) as "alertId"
    from notification n left join notification_alert a on a.notification_id = n.id
    where n.channel = 'pagerduty' and n.provider_id = ${incident} and coalesce(a.alert_id, n.alert_id) is not null`
  return rows.map(({ alertId }) => alertId).sort()
}
