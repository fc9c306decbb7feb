import { createHmac, randomUUID } from 'node:crypto'
import { type Asked, type Given, type Provider, startProvider } from './provider.ts'

export interface IncidentEvent {
  readonly routing_key: string
  readonly event_action: 'trigger' | 'acknowledge' | 'resolve'
  readonly dedup_key: string
  readonly payload?: { readonly summary: string; readonly severity: string; readonly source: string }
}

export interface PagerDutyServer extends Provider<IncidentEvent> {
  /** What a routing key must look like. */
  readonly routingKey: string
  readonly webhookSecret: string
  /** The state of each incident by its key. */
  readonly incidents: ReadonlyMap<string, 'triggered' | 'acknowledged' | 'resolved'>
  /** Somebody acknowledges at PagerDuty, which tells `url`. @returns the status of the answer */
  acknowledge(url: string, dedupKey: string, options?: { secret?: string; id?: string; by?: string }): Promise<number>
}

/** PagerDuty's Events API v2, and its webhooks v3. */
export async function startPagerDuty(options: { port?: number } = {}): Promise<PagerDutyServer> {
  const webhookSecret = 'local-pagerduty-secret'
  const incidents = new Map<string, 'triggered' | 'acknowledged' | 'resolved'>()

  function answer({ method, path, body }: Asked): Given {
    if (method !== 'POST' || path !== '/v2/enqueue') return { status: 404, body: { status: 'not found' } }
    const event = JSON.parse(body) as IncidentEvent
    const errors = faultsOf(event)
    if (errors.length > 0) return { status: 400, body: { status: 'invalid event', message: 'Event object is invalid', errors } }
    const { dedup_key, event_action } = event
    const known = incidents.get(dedup_key)
    if (event_action === 'trigger' && (known === undefined || known === 'resolved')) incidents.set(dedup_key, 'triggered')
    if (event_action === 'acknowledge' && known === 'triggered') incidents.set(dedup_key, 'acknowledged')
    if (event_action === 'resolve' && known) incidents.set(dedup_key, 'resolved')
    return { status: 202, body: { status: 'success', message: 'Event processed', dedup_key }, taken: event }
  }

  const provider = await startProvider<IncidentEvent>(answer, options)
  return {
    ...provider,
    routingKey: 'R'.padEnd(32, '0'),
    webhookSecret,
    incidents,
    async acknowledge(url, dedupKey, { secret = webhookSecret, id = randomUUID(), by = 'Robin Keeper' } = {}) {
      const event = {
        ...{ id, event_type: 'incident.acknowledged', resource_type: 'incident', occurred_at: new Date().toISOString() },
        agent: { type: 'user_reference', summary: by },
        data: { id: `P${dedupKey.slice(0, 8)}`, type: 'incident', status: 'acknowledged', incident_key: dedupKey },
      }
      const body = JSON.stringify({ event })
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          // Two while secrets rotate: the other one is unknown to us.
          'x-pagerduty-signature': `v1=${hmac('another', body)},v1=${hmac(secret, body)}`,
        },
        body,
      })
      await response.arrayBuffer()
      return response.status
    },
  }
}

const hmac = (secret: string, body: string): string => createHmac('sha256', secret).update(body).digest('hex')

/** https://developer.pagerduty.com/api-reference/368ae3d938c9e-send-an-event-to-pager-duty */
function faultsOf({ routing_key, event_action, dedup_key, payload }: IncidentEvent): string[] {
  const severities = ['critical', 'error', 'warning', 'info']
  return [
    ...(/^\w{32}$/.test(routing_key ?? '') ? [] : ["'routing_key' is invalid (must be a 32 character routing key)"]),
    ...(['trigger', 'acknowledge', 'resolve'].includes(event_action) ? [] : ["'event_action' is invalid"]),
    ...(dedup_key && dedup_key.length <= 255 ? [] : ["'dedup_key' is missing or too long"]),
    ...(event_action !== 'trigger' || (payload?.summary && payload.source)
      ? []
      : ["'payload.summary' or 'payload.source' is missing"]),
    ...(event_action !== 'trigger' || severities.includes(payload?.severity ?? '') ? [] : ["'payload.severity' is invalid"]),
  ]
}
