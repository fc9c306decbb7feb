import { z } from 'zod'
import { Rejected, Transient } from '../../../shared/errors.ts'
import { Id } from '../../../shared/fields.ts'
import { statusCallbackUrl } from '../channels/sms.ts'
import type { NotificationState } from '../notification-state.ts'
import { callbackOperation, Received, received } from './callback.ts'
import { believe } from './known-status.ts'

/** https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks */
const states: Record<string, NotificationState | undefined> = {
  sent: 'sent',
  delivered: 'delivered',
  read: 'delivered',
  undelivered: 'failed',
  failed: 'failed',
}

/** Errors of a number, and not of the moment: landline, unknown, opted out. */
const deadNumber = new Set(['21610', '21614', '30005', '30006'])

export const twilioStatus = callbackOperation({
  id: 'callbacks-twilio',
  route: 'POST /v1/callbacks/twilio/{id}',
  summary: 'Twilio says what became of a text message',
  description: 'Called by Twilio, which signs it. Doing it again changes nothing.',
  signed: { by: 'X-Twilio-Signature', takes: ['application/x-www-form-urlencoded'] },
  example: { MessageSid: 'SM0123456789abcdef0123456789abcdef', MessageStatus: 'delivered' },
  input: z.object({ id: Id }),
  output: Received,
  async handle({ db, config, newId, now }, { id }, { raw, headers }) {
    const { TWILIO_AUTH_TOKEN, PUBLIC_URL } = config
    if (!TWILIO_AUTH_TOKEN || !PUBLIC_URL) throw new Transient('unavailable', 'TWILIO_AUTH_TOKEN or PUBLIC_URL is absent.')
    const form = Object.fromEntries(new URLSearchParams(raw.toString()))
    const { validateRequest } = await import('../channels/twilio-client.ts')
    const signature = String(headers['x-twilio-signature'] ?? '')
    // What was signed is the URL as we gave it, whatever stood between Twilio and us.
    if (!validateRequest(TWILIO_AUTH_TOKEN, signature, statusCallbackUrl(PUBLIC_URL, id), form)) {
      throw new Rejected('invalid_signature')
    }
    const { MessageStatus = '', MessageSid = null, ErrorCode } = form
    const state = states[MessageStatus]
    if (state === undefined) return received
    const failed = state === 'failed' ? `Twilio: ${MessageStatus}${ErrorCode ? ` ${ErrorCode}` : ''}` : null
    const deadBecause = ErrorCode && deadNumber.has(ErrorCode) ? failed : null
    const word = { of: { notificationId: id }, state, providerId: MessageSid, detail: failed, deadBecause }
    await believe(db.notifications, word, newId, now())
    return received
  },
})
