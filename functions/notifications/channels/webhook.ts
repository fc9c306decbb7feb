import { request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { isIP } from 'node:net'
import { Rejected, Transient } from '../../../shared/errors.ts'
import { AddressGone, type Channel, type Message, secondsOf, withoutAnswer } from './channel.ts'
import { isPrivateAddress, PrivateAddress, publicLookup } from './private-address.ts'
import { signatureHeaders } from './webhook-signature.ts'

const types = {
  alert: 'alert.raised',
  escalation: 'alert.escalated',
  digest: 'alert.digest',
  acknowledged: 'alert.acknowledged',
  resolved: 'alert.resolved',
} as const

/**
 * Webhooks signed by the Standard Webhooks specification. The message's id is the notification's: a receiver that is told twice knows
 * it by that. Redirects are answers like any other that is not 2xx, and private networks are out of reach.
 */
export function webhookChannel(config: { readonly WEBHOOK_PRIVATE: boolean }, now: () => Date = () => new Date()): Channel {
  return {
    confirms: false,
    async send(message, deadline) {
      const url = allowedUrl(message.to, config.WEBHOOK_PRIVATE)
      if (message.secrets.length === 0) throw new Rejected('invalid_input', 'The webhook has no secret to sign with.')
      const body = JSON.stringify(bodyOf(message))
      const headers = signatureHeaders(message.notificationId, now(), body, message.secrets)
      const answer = await post(url, headers, body, deadline, config.WEBHOOK_PRIVATE)
      if (answer.status >= 200 && answer.status < 300) return { providerId: message.notificationId, delivered: true }
      throw refusal(answer)
    },
  }
}

const bodyOf = ({ kind, createdAt, severity, subject, text, payload }: Message) => ({
  type: types[kind],
  timestamp: createdAt.toISOString(),
  data: { severity, subject, text, facts: payload },
})

/** Throws Rejected, which names what is wrong with it. */
export function allowedUrl(text: string, allowPrivate: boolean): URL {
  const url = URL.parse(text)
  if (!url || !/^https?:$/.test(url.protocol)) throw new Rejected('invalid_input', 'url: expected an https URL.')
  if (url.username || url.password) throw new Rejected('invalid_input', 'url: may not carry a user or password.')
  if (allowPrivate) return url
  if (url.protocol !== 'https:') throw new Rejected('invalid_input', 'url: must be https.')
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) > 0 && isPrivateAddress(host)) throw new Rejected('invalid_input', 'url: may not lead into a private network.')
  return url
}

interface Answered {
  readonly status: number
  readonly retryAfter: unknown
}

/** A connection of its own each time: a receiver is asked seldom, and a kept one would outlive the check of its address. */
function post(url: URL, headers: Record<string, string>, body: string, deadline: number, allowPrivate: boolean) {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>()
  const outgoing = (url.protocol === 'https:' ? tlsRequest : plainRequest)(url, {
    method: 'POST',
    agent: false,
    headers: {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'user-agent': 'Tidemark',
      ...headers,
    },
    ...(!allowPrivate && { lookup: publicLookup }),
  })
  const timer = setTimeout(() => outgoing.destroy(new Error(`no answer within ${deadline} ms`)), deadline)
  outgoing.on('close', () => clearTimeout(timer))
  outgoing.on('error', error => {
    if (error instanceof PrivateAddress) reject(new Rejected('invalid_input', 'url: may not lead into a private network.'))
    else reject(withoutAnswer('The receiver', error))
  })
  // Its status is all that counts: what else it says is not read.
  outgoing.on('response', incoming => {
    resolve({ status: incoming.statusCode ?? 0, retryAfter: incoming.headers['retry-after'] })
    incoming.on('error', () => {})
    outgoing.destroy()
  })
  outgoing.end(body)
  return promise
}

/** All but 410 may come later: receivers are deployed wrong for an hour, and then want what they missed. */
function refusal({ status, retryAfter }: Answered): Error {
  if (status === 410) return new AddressGone('The receiver is gone: 410.')
  const seconds = secondsOf(retryAfter)
  return new Transient('upstream_failed', `The receiver answered ${status}.`, {
    ...(seconds !== undefined && { retryAfter: seconds }),
  })
}
