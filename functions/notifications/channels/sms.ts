import type { Twilio } from 'twilio'
import type Client from 'twilio/lib/base/RequestClient.js'
import { builtFrom } from '../../../shared/config-live.ts'
import { Rejected, Transient } from '../../../shared/errors.ts'
import { AddressGone, type Channel, NotConfigured, secondsOf, withoutAnswer } from './channel.ts'
import type { ChannelConfig } from './settings.ts'

/** Where Twilio says what became of a message. The id stands in the path: it is known before Twilio has given the message one. */
export const statusCallbackUrl = (publicUrl: string, notificationId: string): string =>
  `${publicUrl.replace(/\/$/, '')}/v1/callbacks/twilio/${notificationId}`

/** Text messages by Twilio. The SDK costs 212 ms of CPU to import: with the first message. */
export function smsChannel(config: ChannelConfig): Channel {
  const connected = builtFrom(
    () => [config.TWILIO_ACCOUNT_SID, config.TWILIO_AUTH_TOKEN, config.TWILIO_URL, config.SEND_DEADLINE],
    connect,
  )
  return {
    get confirms() {
      return config.PUBLIC_URL !== undefined
    },
    warm: connected,
    async send({ notificationId, to, text }) {
      const { TWILIO_FROM: from, PUBLIC_URL } = config
      const twilio = await connected()
      if (!twilio || !from) {
        throw new NotConfigured('SMS is not configured: TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN or TWILIO_FROM is absent.')
      }
      try {
        const { sid } = await twilio.messages.create({
          to,
          body: text,
          ...(from.startsWith('MG') ? { messagingServiceSid: from } : { from }),
          ...(PUBLIC_URL && { statusCallback: statusCallbackUrl(PUBLIC_URL, notificationId) }),
        })
        if (!sid) throw new Error('an answer without a sid')
        return { providerId: sid }
      } catch (error) {
        throw refusal(error)
      }
    },
  }
}

/** Twilio's SDK has no base URL, and keeps from its errors how long to wait: both are seen where its requests go out. */
async function connect(
  accountSid: string | undefined,
  authToken: string | undefined,
  url: string | undefined,
  timeout: number,
): Promise<Twilio | undefined> {
  if (!accountSid || !authToken) return undefined
  const { RequestClient, Twilio } = await import('./twilio-client.ts')
  class OurClient extends RequestClient {
    override async request<T>(options: Client.RequestOptions<T>) {
      const uri = url ? options.uri.replace(/^https:\/\/[^/]+/, url.replace(/\/$/, '')) : options.uri
      const answer = await super.request<T>({ ...options, uri, timeout })
      if (answer.statusCode === 429 || answer.statusCode >= 500) {
        const retryAfter = secondsOf((answer.headers as Record<string, unknown> | undefined)?.['retry-after'])
        throw new Transient('upstream_failed', `Twilio answered ${answer.statusCode}.`, {
          ...(retryAfter !== undefined && { retryAfter }),
        })
      }
      return answer
    }
  }
  return new Twilio(accountSid, authToken, { httpClient: new OurClient({ timeout, maxSockets: 50 }) })
}

/** Numbers that will never take a message: https://www.twilio.com/docs/api/errors */
const gone = new Set([21211, 21610, 21614, 60205])

function refusal(error: unknown): Error {
  if (error instanceof Transient) return error
  const { status, code, message } = error as { status?: unknown; code?: unknown; message?: string }
  if (typeof status !== 'number' || status < 400) return withoutAnswer('Twilio', error)
  if (gone.has(Number(code))) return new AddressGone(`Twilio refused the number: ${code} ${message}`)
  // Wrong credentials are nothing that a message could change, and soon put right.
  if (status === 401 || status === 403) {
    return new Transient('upstream_failed', `Twilio refused our credentials: ${status}.`, { retryAfter: 60 })
  }
  return new Rejected('invalid_input', `Twilio refused the message: ${code ?? status} ${message}`)
}
