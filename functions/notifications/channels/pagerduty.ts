import { Rejected, Transient } from '../../../shared/errors.ts'
import { type Answer, exchange } from '../../../shared/function/exchange.ts'
import { AddressGone, type Channel, type Message, secondsOf, withoutAnswer } from './channel.ts'

const actions = {
  alert: 'trigger',
  escalation: 'trigger',
  digest: 'trigger',
  acknowledged: 'acknowledge',
  resolved: 'resolve',
} as const

/** The most that PagerDuty takes of a summary. */
const summaryLimit = 1_024

/**
 * Incidents by PagerDuty's Events API v2; the address is the integration's routing key. The alert is the key of its incident: a second
 * trigger changes nothing, and what acknowledges or resolves it needs no answer of ours.
 * https://developer.pagerduty.com/docs/send-alert-event
 */
export function pagerdutyChannel(config: { readonly PAGERDUTY_URL: string }): Channel {
  return {
    confirms: false,
    async send(message, deadline) {
      const answer = await exchange({
        url: `${config.PAGERDUTY_URL.replace(/\/$/, '')}/v2/enqueue`,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(eventOf(message)),
        timeout: deadline,
      }).catch(error => {
        throw withoutAnswer('PagerDuty', error)
      })
      if (answer.status === 202) return { providerId: dedupKeyOf(answer) ?? message.incident, delivered: true }
      throw refusal(answer)
    },
  }
}

function eventOf({ to, kind, incident, subject, text, severity, payload, notificationId, createdAt }: Message) {
  const action = actions[kind]
  return {
    routing_key: to,
    event_action: action,
    dedup_key: incident,
    ...(action === 'trigger' && {
      payload: {
        summary: subject.slice(0, summaryLimit),
        source: 'tidemark',
        severity: severity === 'low' || severity === null ? 'warning' : 'critical',
        timestamp: createdAt.toISOString(),
        custom_details: { text, notificationId, facts: payload },
      },
    }),
  }
}

function dedupKeyOf({ body }: Answer): string | undefined {
  try {
    return (JSON.parse(body.toString()) as { dedup_key?: string }).dedup_key
  } catch {
    return undefined
  }
}

function refusal({ status, headers, body }: Answer): Error {
  if (status === 429 || status >= 500) {
    const retryAfter = secondsOf(headers['retry-after'])
    return new Transient('upstream_failed', `PagerDuty answered ${status}.`, { ...(retryAfter !== undefined && { retryAfter }) })
  }
  const told = body.toString().slice(0, 300)
  if (status === 403 || /routing key/i.test(told)) return new AddressGone(`PagerDuty refused the routing key: ${status}.`)
  return new Rejected('invalid_input', `PagerDuty refused the event: ${status} ${told}`)
}
