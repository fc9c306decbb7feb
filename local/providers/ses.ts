import { createSign, randomUUID } from 'node:crypto'
import { generate } from 'selfsigned'
import { exchange } from '../../shared/function/exchange.ts'
import { type Asked, type Given, type Provider, startProvider } from './provider.ts'

export interface SentMail {
  readonly messageId: string
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly html: string | null
  readonly tags: Readonly<Record<string, readonly string[]>>
}

export interface SesServer extends Provider<SentMail> {
  /** The certificate that signatures of its topic are checked with is here. */
  readonly certificateUrl: string
  readonly topicArn: string
  /** How often somebody confirmed a subscription. */
  readonly confirmed: number
  /** Tells `url` what became of a mail, by a signed message of SNS. @returns the status of the answer */
  tell(url: string, mail: SentMail, event: 'Delivery' | 'Bounce' | 'Complaint', options?: TellOptions): Promise<number>
  /** Asks `url` to confirm that it wants the topic. */
  subscribe(url: string, options?: TellOptions): Promise<number>
}

export interface TellOptions {
  readonly version?: '1' | '2'
  /** Signed by a key that nobody published. */
  readonly forged?: boolean
  /** Signed by the key whose certificate has ended. */
  readonly expired?: boolean
  readonly certificateUrl?: string
  readonly topicArn?: string
  /** Of a bounce; Permanent when absent. */
  readonly bounceType?: 'Permanent' | 'Transient'
}

const day = 86_400_000

/** A key and its certificate, good from yesterday on for so many days. */
const certified = (days: number) => {
  const began = Date.now() - day
  return generate([{ name: 'commonName', value: 'sns.amazonaws.com' }], {
    ...{ keySize: 2048, algorithm: 'sha256' },
    ...{ notBeforeDate: new Date(began), notAfterDate: new Date(began + days * day) },
  })
}

/** SES before moto's, which takes the mail, and SNS beside it, which tells signed what became of it. */
export async function startSes(options: { moto: string; port?: number }): Promise<SesServer> {
  const [own, foreign, ended] = await Promise.all([certified(365), certified(365), certified(0.5)])
  const topicArn = 'arn:aws:sns:eu-west-1:000000000000:ses-events'
  const certificates = new Map([
    ['/SimpleNotificationService-local.pem', own.cert],
    ['/SimpleNotificationService-ended.pem', ended.cert],
  ])
  const [certificatePath, endedPath] = [...certificates.keys()]
  let confirmed = 0

  async function answer({ method, path, headers, body }: Asked): Promise<Given> {
    const certificate = certificates.get(path)
    if (certificate) return { status: 200, body: certificate }
    if (path.startsWith('/confirm')) {
      confirmed++
      return { status: 200, body: '<ConfirmSubscriptionResponse/>' }
    }
    const { host: _host, connection: _connection, 'content-length': _length, ...passed } = headers
    const form = new URLSearchParams(body)
    // moto would want the set to be made first.
    form.delete('ConfigurationSetName')
    const text = form.toString()
    const passedOn = { ...(passed as Record<string, string>), host: new URL(options.moto).host }
    const answer = await exchange({ url: options.moto + path, method, headers: passedOn, body: text, timeout: 10_000 })
    const answered = answer.body.toString()
    const [, messageId] = /<MessageId>([^<]+)</.exec(answered) ?? []
    const given = { status: answer.status, body: answered, headers: { 'content-type': 'text/xml' } }
    return messageId && form.get('Action') === 'SendEmail' ? { ...given, taken: mailOf(messageId, form) } : given
  }

  const post = async (
    url: string,
    message: Readonly<Record<string, string>>,
    { version = '1', forged, expired }: TellOptions = {},
  ) => {
    const { private: privateKey } = forged ? foreign : expired ? ended : own
    const signed = signedText(message)
    const Signature = createSign(version === '2' ? 'RSA-SHA256' : 'RSA-SHA1')
      .update(signed)
      .sign(privateKey, 'base64')
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'text/plain; charset=UTF-8', 'x-amz-sns-message-type': message.Type as string },
      body: JSON.stringify({ ...message, SignatureVersion: version, Signature }),
    })
    await response.arrayBuffer()
    return response.status
  }

  const isSpared = ({ path }: Asked) => certificates.has(path) || path.startsWith('/confirm')
  const provider = await startProvider<SentMail>(answer, { ...(options.port && { port: options.port }), spared: isSpared })
  const certificateUrl = provider.url + certificatePath
  const expiredCertificateUrl = provider.url + endedPath
  const common = (told: TellOptions) => ({
    MessageId: randomUUID(),
    TopicArn: told.topicArn ?? topicArn,
    Timestamp: new Date().toISOString(),
    SigningCertURL: told.certificateUrl ?? (told.expired ? expiredCertificateUrl : certificateUrl),
  })
  return {
    ...provider,
    certificateUrl,
    topicArn,
    get confirmed() {
      return confirmed
    },
    tell: (url, mail, event, told = {}) =>
      post(url, { Type: 'Notification', Message: JSON.stringify(eventOf(mail, event, told)), ...common(told) }, told),
    subscribe: (url, told = {}) => {
      const token = randomUUID()
      const SubscribeURL = `${provider.url}/confirm?Action=ConfirmSubscription&Token=${token}`
      return post(
        url,
        { Type: 'SubscriptionConfirmation', Message: 'Confirm.', Token: token, SubscribeURL, ...common(told) },
        told,
      )
    },
  }
}

function mailOf(messageId: string, form: URLSearchParams): SentMail {
  const tags: Record<string, string[]> = {}
  for (let number = 1; form.has(`Tags.member.${number}.Name`); number++) {
    tags[form.get(`Tags.member.${number}.Name`) as string] = [form.get(`Tags.member.${number}.Value`) ?? '']
  }
  return {
    messageId,
    to: form.get('Destination.ToAddresses.member.1') ?? '',
    subject: form.get('Message.Subject.Data') ?? '',
    text: form.get('Message.Body.Text.Data') ?? '',
    html: form.get('Message.Body.Html.Data'),
    tags,
  }
}

/** https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html */
function eventOf({ messageId, to, tags }: SentMail, eventType: string, { bounceType = 'Permanent' }: TellOptions) {
  const about: Record<string, unknown> = {
    Delivery: { delivery: { recipients: [to], smtpResponse: '250 ok' } },
    Bounce: {
      bounce: { bounceType, bounceSubType: 'General', bouncedRecipients: [{ emailAddress: to, diagnosticCode: '550 5.1.1' }] },
    },
    Complaint: { complaint: { complainedRecipients: [{ emailAddress: to }], complaintFeedbackType: 'abuse' } },
  }
  return { eventType, mail: { messageId, destination: [to], tags }, ...(about[eventType] as object) }
}

/** https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html */
function signedText(message: Readonly<Record<string, string>>): string {
  const names =
    message.Type === 'Notification'
      ? ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type']
      : ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type']
  return names.flatMap(name => (message[name] === undefined ? [] : [`${name}\n${message[name]}\n`])).join('')
}
