import { z } from 'zod'
import { Rejected, Transient } from '../../../shared/errors.ts'
import { exchange } from '../../../shared/function/exchange.ts'
import { callbackOperation, Received, received } from './callback.ts'
import { believe, type Word } from './known-status.ts'
import { verifiedMessage } from './sns.ts'

/** https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html; without a set, `notificationType` */
const SesEvent = z.object({
  eventType: z.string().optional(),
  notificationType: z.string().optional(),
  mail: z.object({ messageId: z.string(), tags: z.record(z.string(), z.array(z.string())).optional() }),
  bounce: z.object({ bounceType: z.string(), bounceSubType: z.string().optional() }).optional(),
  complaint: z.object({ complaintFeedbackType: z.string().optional() }).optional(),
  reject: z.object({ reason: z.string().optional() }).optional(),
})
type SesEvent = z.output<typeof SesEvent>

const confirmDeadline = 5_000

export const sesFeedback = callbackOperation({
  id: 'callbacks-ses',
  route: 'POST /v1/callbacks/ses',
  summary: 'Amazon SES says by SNS what became of a mail',
  description: 'Called by SNS, which signs it. A subscription of a topic of ours is confirmed. Doing it again changes nothing.',
  signed: { by: 'Signature, in the body', takes: ['text/plain', 'application/json'] },
  bodyLimit: 300 * 1024,
  example: '{"Type":"Notification"}',
  input: z.object({}),
  output: Received,
  async handle({ db, config, snsKeys, newId, now }, _input, { raw }) {
    if (!config.SNS_TOPICS) throw new Transient('unavailable', 'SNS_TOPICS is absent.')
    const message = await verifiedMessage(
      raw,
      snsKeys,
      config.SNS_TOPICS.split(',').map(topic => topic.trim()),
    )
    if (message.Type === 'SubscriptionConfirmation') {
      const { SubscribeURL = '' } = message
      if (!snsKeys.isOfSns(SubscribeURL)) throw new Rejected('invalid_signature', 'SubscribeURL is none of SNS.')
      const { status } = await exchange({ url: SubscribeURL, method: 'GET', timeout: confirmDeadline })
      if (status >= 300) throw new Transient('unavailable', `SNS answered ${status} to the confirmation.`)
    }
    if (message.Type === 'Notification') {
      const word = wordOf(readEvent(message.Message))
      if (word) await believe(db.notifications, word, newId, now())
    }
    return received
  },
})

/** What is signed and yet no event of a mail (SES greets a new destination with a text) says nothing to us. */
function readEvent(text: string): SesEvent | undefined {
  try {
    return SesEvent.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** A bounce for ever and a complaint end the address: to go on sending there costs the sender's reputation with all others. */
function wordOf(event: SesEvent | undefined): Word | undefined {
  if (!event) return undefined
  const { mail, bounce, complaint, reject } = event
  const [notificationId] = mail.tags?.notification ?? []
  const isId = z.uuid().safeParse(notificationId).success
  const of = isId ? { notificationId: notificationId as string } : { channel: 'email', providerId: mail.messageId }
  const common = { of, providerId: mail.messageId, deadBecause: null }
  switch (event.eventType ?? event.notificationType) {
    case 'Send':
      return { ...common, state: 'sent', detail: null }
    case 'Delivery':
      return { ...common, state: 'delivered', detail: null }
    case 'Reject':
      return { ...common, state: 'failed', detail: `SES rejected it: ${reject?.reason ?? 'no reason'}` }
    case 'Bounce': {
      const detail = `bounced: ${bounce?.bounceType ?? ''} ${bounce?.bounceSubType ?? ''}`.trim()
      return { ...common, state: 'bounced', detail, deadBecause: bounce?.bounceType === 'Permanent' ? detail : null }
    }
    case 'Complaint': {
      const detail = `complaint: ${complaint?.complaintFeedbackType ?? 'no type'}`
      return { ...common, state: null, detail, deadBecause: detail }
    }
    default:
      return undefined
  }
}
