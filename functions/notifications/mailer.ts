import type { SESClient } from '@aws-sdk/client-ses'
import { builtFrom } from '../../shared/config-live.ts'
import { Rejected, Transient } from '../../shared/errors.ts'
import type { Message } from './notification.ts'

export interface Mailer {
  /** @returns the provider's id of the mail. Throws Rejected when it will never take it, Transient when it may later. */
  send(mail: Message & { from: string; to: string; tag: string }): Promise<string>
}

/** Milliseconds a mail may take to be accepted. */
const deadline = 5_000

interface SesSettings {
  readonly endpoint: string | undefined
  readonly region: string
  readonly accessKeyId: string | undefined
  readonly secretAccessKey: string | undefined
}

/**
 * E-mail by Amazon SES. The SDK costs 154 ms of CPU to import: with the first mail, not with the process.
 * @param settings read with every mail
 */
export function sesMailer(settings: () => SesSettings): Mailer {
  const connected = builtFrom(
    () => {
      const { endpoint, region, accessKeyId, secretAccessKey } = settings()
      return [endpoint, region, accessKeyId, secretAccessKey]
    },
    async (endpoint, region, accessKeyId, secretAccessKey): Promise<SESClient> => {
      const { SESClient } = await import('./ses-client.ts')
      return new SESClient({
        region,
        maxAttempts: 2,
        ...(endpoint && { endpoint }),
        ...(accessKeyId && secretAccessKey && { credentials: { accessKeyId, secretAccessKey } }),
      })
    },
  )
  return {
    async send({ from, to, subject, text, tag }) {
      const ses = await connected()
      const { SendEmailCommand } = await import('./ses-client.ts')
      const command = new SendEmailCommand({
        Source: from,
        Destination: { ToAddresses: [to] },
        Message: { Subject: { Data: subject, Charset: 'UTF-8' }, Body: { Text: { Data: text, Charset: 'UTF-8' } } },
        Tags: [{ Name: 'alert', Value: tag }],
      })
      try {
        const { MessageId } = await ses.send(command, { abortSignal: AbortSignal.timeout(deadline) })
        return MessageId ?? ''
      } catch (error) {
        throw refusal(error)
      }
    },
  }
}

/** What SES will never take: https://docs.aws.amazon.com/ses/latest/APIReference/API_SendEmail.html, section Errors. */
const permanent = new Set([
  'MessageRejected',
  'MailFromDomainNotVerifiedException',
  'ConfigurationSetDoesNotExistException',
  'InvalidParameterValue',
])

function refusal(error: unknown): Error {
  const { name, message } = error as Error
  if (permanent.has(name)) return new Rejected('invalid_input', `SES refused the mail: ${name}.`)
  return new Transient('upstream_failed', `SES did not take the mail: ${name}: ${message}`, { cause: error })
}
