import { CloudEvent, HTTP } from 'cloudevents'
import { z } from 'zod'
import { setting } from '../../shared/config.ts'
import { Transient } from '../../shared/errors.ts'
import type { EventOf } from '../../shared/events/catalog.ts'
import { currentTraceparent } from '../../shared/events/outbox.ts'
import { event } from '../../shared/function/declare.ts'
import { exchange } from '../../shared/function/exchange.ts'

const types = [
  ...(['tidemark.alert.raised.v1', 'tidemark.alert.acknowledged.v1'] as const),
  ...(['tidemark.alert.escalated.v1', 'tidemark.alert.resolved.v1'] as const),
] as const
type AlertEvent = EventOf<(typeof types)[number]>

/** Milliseconds for the Broker to take an event: it keeps it before it answers. */
const brokerDeadline = 10_000

/**
 * Hands alerts to a Knative Broker as JSON, so that anybody's function can subscribe by a Trigger without Kafka, Avro and the registry.
 * An event that is delivered twice keeps its id: subscribers know it by that, as the CloudEvents specification has it.
 */
export const publishAlerts = event({
  name: 'alerts-publish',
  summary: 'Offer alerts to other functions by a Broker',
  topic: 'alerts',
  types,
  uses: [],
  config: z.object({ ALERTS_BROKER_URL: setting.url() }),
  scale: { max: 5, retention: 30 },
  async handle({ config }, alert) {
    const { headers, body } = HTTP.binary(offered(alert))
    const url = config.ALERTS_BROKER_URL
    const { status } = await exchange({
      url,
      method: 'POST',
      headers: headers as Record<string, string>,
      body: String(body),
      timeout: brokerDeadline,
    })
    if (status >= 300) throw new Transient('unavailable', `The Broker at ${url} answered ${status}.`)
  },
})

/** The same fields as JSON. What a Trigger may want to filter by is an attribute, for it sees no data. */
function offered({ id, type, time, data }: AlertEvent): CloudEvent<AlertEvent['data']> {
  return new CloudEvent({
    id,
    type,
    source: '/tidemark/alerts',
    subject: data.alertId,
    time: time.toISOString(),
    datacontenttype: 'application/json',
    data,
    sku: data.sku,
    location: data.location,
    ...('severity' in data && { severity: data.severity }),
    traceparent: currentTraceparent(),
  })
}
