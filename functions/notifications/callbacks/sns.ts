import { createVerify, type KeyObject, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { Rejected, Transient } from '../../../shared/errors.ts'
import { exchange } from '../../../shared/function/exchange.ts'

/** https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html */
export const SnsMessage = z.object({
  Type: z.enum(['Notification', 'SubscriptionConfirmation', 'UnsubscribeConfirmation']),
  Message: z.string(),
  MessageId: z.string(),
  Timestamp: z.string(),
  TopicArn: z.string(),
  Subject: z.string().nullish(),
  Token: z.string().optional(),
  SubscribeURL: z.string().optional(),
  SignatureVersion: z.enum(['1', '2']),
  Signature: z.string(),
  SigningCertURL: z.string(),
})
export type SnsMessage = z.output<typeof SnsMessage>

/** Certificates are few and good for years; more than this is somebody who makes us fetch. */
const mostCertificates = 20
const fetchDeadline = 3_000

/** Fetches SNS's signing certificates, from nowhere but its own hosts, once each. */
export class SnsKeys {
  readonly #urls: () => string
  readonly #certificates = new Map<string, X509Certificate>()

  /** @param urls a regular expression over a whole URL of SNS */
  constructor(urls: () => string) {
    this.#urls = urls
  }

  isOfSns = (url: string): boolean => new RegExp(`^(?:${this.#urls()})$`).test(url) && URL.canParse(url)

  async of(url: string): Promise<KeyObject> {
    const certificate = this.#certificates.get(url) ?? (await this.#fetch(url))
    const now = Date.now()
    if (now < certificate.validFromDate.getTime() || now > certificate.validToDate.getTime())
      throw new Rejected('invalid_signature', 'The certificate of SigningCertURL is not valid at this time.')
    return certificate.publicKey
  }

  async #fetch(url: string): Promise<X509Certificate> {
    if (!this.isOfSns(url) || !new URL(url).pathname.endsWith('.pem'))
      throw new Rejected('invalid_signature', 'SigningCertURL is none of SNS.')
    const { status, body } = await exchange({ url, method: 'GET', timeout: fetchDeadline })
    if (status !== 200) throw new Transient('unavailable', `SNS answered ${status} to the question for its certificate.`)
    const certificate = certificateOf(body)
    const [oldest] = this.#certificates.keys()
    if (this.#certificates.size >= mostCertificates && oldest !== undefined) this.#certificates.delete(oldest)
    this.#certificates.set(url, certificate)
    return certificate
  }
}

function certificateOf(body: Buffer): X509Certificate {
  try {
    return new X509Certificate(body)
  } catch (error) {
    throw new Transient('unavailable', 'SNS answered with something that is no certificate.', { cause: error })
  }
}

/** A message of SNS that is signed by SNS and of a topic that is ours. Throws Rejected `invalid_signature`. */
export async function verifiedMessage(raw: Buffer, keys: SnsKeys, topics: readonly string[]): Promise<SnsMessage> {
  const message = parsed(raw)
  if (!topics.includes(message.TopicArn)) throw new Rejected('invalid_signature', 'The topic is none of ours.')
  if (!URL.canParse(message.SigningCertURL)) throw new Rejected('invalid_signature', 'SigningCertURL is no URL.')
  const key = await keys.of(message.SigningCertURL)
  const algorithm = message.SignatureVersion === '2' ? 'RSA-SHA256' : 'RSA-SHA1'
  const isGenuine = createVerify(algorithm).update(signedText(message)).verify(key, message.Signature, 'base64')
  if (!isGenuine) throw new Rejected('invalid_signature')
  return message
}

function parsed(raw: Buffer): SnsMessage {
  try {
    return SnsMessage.parse(JSON.parse(raw.toString()))
  } catch {
    throw new Rejected('malformed_request', 'The body is no message of SNS.')
  }
}

/** https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html */
function signedText(message: SnsMessage): string {
  const names =
    message.Type === 'Notification'
      ? (['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'] as const)
      : (['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type'] as const)
  return names.map(name => (message[name] == null ? '' : `${name}\n${message[name]}\n`)).join('')
}
