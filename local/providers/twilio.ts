import { createHmac, randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { type Asked, type Given, type Provider, startProvider } from './provider.ts'

export interface TextMessage {
  readonly sid: string
  readonly to: string
  readonly from: string
  readonly body: string
  readonly statusCallback: string | null
}

export interface TwilioServer extends Provider<TextMessage> {
  readonly accountSid: string
  readonly authToken: string
  /** Says what became of a message, signed as Twilio signs. @returns the status of the answer */
  tell(message: TextMessage, status: string, options?: { errorCode?: number; authToken?: string }): Promise<number>
}

/** Numbers that Twilio keeps for tests: https://www.twilio.com/docs/iam/test-credentials */
const magic: Record<string, readonly [number, string]> = {
  '+15005550001': [21211, "The 'To' number +15005550001 is not a valid phone number."],
  '+15005550009': [21614, "'To' number is not a valid mobile number: +15005550009"],
  '+15005550004': [21610, 'Attempt to send to unsubscribed recipient +15005550004'],
}
/** A message to this one is sent, and then does not arrive. */
export const unreachable = '+15005550003'

/**
 * Twilio's Messages API (2010-04-01). With `callbacks`, what was taken is told to its StatusCallback as sent and delivered, a moment later.
 */
export async function startTwilio(options: { port?: number; callbacks?: boolean } = {}): Promise<TwilioServer> {
  const accountSid = `AC${'0'.repeat(31)}1`
  const authToken = 'local-twilio-token'
  const authorization = `Basic ${Buffer.from(`${accountSid}:${authToken}`).toString('base64')}`
  const path = `/2010-04-01/Accounts/${accountSid}/Messages.json`

  function answer({ method, path: asked, headers, body }: Asked): Given {
    if (headers.authorization !== authorization) return refused(401, 20003, 'Authenticate')
    if (method !== 'POST' || asked !== path) return refused(404, 20404, 'The requested resource was not found')
    const form = new URLSearchParams(body)
    const to = form.get('To') ?? ''
    const [code, message] =
      magic[to] ?? (/^\+[1-9]\d{6,14}$/.test(to) ? [] : [21211, `The 'To' number ${to} is not a valid phone number.`])
    if (code) return refused(400, code, message ?? '')
    const text = form.get('Body')
    if (!text) return refused(400, 21602, 'Message body is required.')
    const taken: TextMessage = {
      sid: `SM${randomBytes(16).toString('hex')}`,
      to,
      from: form.get('From') ?? form.get('MessagingServiceSid') ?? '',
      body: text,
      statusCallback: form.get('StatusCallback'),
    }
    const resource = {
      sid: taken.sid,
      account_sid: accountSid,
      to,
      from: taken.from,
      body: text,
      status: 'queued',
      num_segments: '1',
    }
    return { status: 201, body: resource, taken, ...(options.callbacks && { afterwards: () => tellAll(taken) }) }
  }

  async function tellAll(message: TextMessage): Promise<void> {
    await setTimeout(50)
    await tell(message, 'sent')
    if (message.to === unreachable) await tell(message, 'undelivered', { errorCode: 30003 })
    else await tell(message, 'delivered')
  }

  const tell: TwilioServer['tell'] = async (message, status, { errorCode, authToken: token = authToken } = {}) => {
    const url = message.statusCallback
    if (!url) return 0
    const form = {
      ...{ AccountSid: accountSid, ApiVersion: '2010-04-01', From: message.from, To: message.to },
      ...{ MessageSid: message.sid, SmsSid: message.sid, MessageStatus: status, SmsStatus: status },
      ...(errorCode && { ErrorCode: String(errorCode) }),
    }
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': signature(token, url, form) },
      body: new URLSearchParams(form),
      signal: AbortSignal.timeout(5_000),
    })
    await response.arrayBuffer()
    return response.status
  }

  const provider = await startProvider<TextMessage>(answer, options)
  return { ...provider, accountSid, authToken, tell }
}

const refused = (status: number, code: number, message: string): Given => ({
  status,
  body: { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status },
})

/** https://www.twilio.com/docs/usage/security#validating-requests */
function signature(token: string, url: string, form: Readonly<Record<string, string>>): string {
  const data = Object.keys(form)
    .sort()
    .reduce((text, name) => text + name + form[name], url)
  return createHmac('sha1', token).update(data).digest('base64')
}
