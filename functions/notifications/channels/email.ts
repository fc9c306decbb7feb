import type { SESClient } from '@aws-sdk/client-ses'
import { builtFrom } from '../../../shared/config-live.ts'
import { Rejected, Transient } from '../../../shared/errors.ts'
import { type Channel, NotConfigured, secondsOf, withoutAnswer } from './channel.ts'
import type { ChannelConfig } from './settings.ts'

/** E-mail by Amazon SES. The SDK costs 154 ms of CPU to import: with the first mail, not with the process. */
export function emailChannel(config: ChannelConfig): Channel {
  const connected = builtFrom(
    () => [config.SES_ENDPOINT, config.AWS_REGION, config.AWS_ACCESS_KEY_ID, config.AWS_SECRET_ACCESS_KEY],
    async (endpoint, region, accessKeyId, secretAccessKey): Promise<SESClient> => {
      const { SESClient } = await import('./ses-client.ts')
      return new SESClient({
        region: region as string,
        // The row knows how often it was tried: a repetition that the SDK makes by itself would be one that nobody sees.
        maxAttempts: 1,
        ...(endpoint && { endpoint }),
        ...(accessKeyId && secretAccessKey && { credentials: { accessKeyId, secretAccessKey } }),
      })
    },
  )
  return {
    get confirms() {
      return config.SES_CONFIGURATION_SET !== undefined
    },
    warm: async () => config.NOTIFY_FROM && (await connected()),
    async send({ notificationId, to, subject, text, html }, deadline) {
      if (!config.NOTIFY_FROM) throw new NotConfigured('E-mail is not configured: NOTIFY_FROM is absent.')
      const ses = await connected()
      const { SendEmailCommand } = await import('./ses-client.ts')
      const command = new SendEmailCommand({
        Source: config.NOTIFY_FROM,
        Destination: { ToAddresses: [to] },
        Message: {
          Subject: utf8(subject),
          Body: { Text: utf8(text), ...(html !== null && { Html: utf8(html) }) },
        },
        // Comes back with every event of the mail, even before its id is in our row.
        Tags: [{ Name: 'notification', Value: notificationId }],
        ...(config.SES_CONFIGURATION_SET && { ConfigurationSetName: config.SES_CONFIGURATION_SET }),
      })
      try {
        const { MessageId } = await ses.send(command, { abortSignal: AbortSignal.timeout(deadline) })
        if (!MessageId) throw new Error('an answer without a MessageId')
        return { providerId: MessageId }
      } catch (error) {
        throw refusal(error)
      }
    },
  }
}

const utf8 = (Data: string) => ({ Data, Charset: 'UTF-8' })

/** What SES will never take: https://docs.aws.amazon.com/ses/latest/APIReference/API_SendEmail.html, section Errors. */
const permanent = new Set([
  'MessageRejected',
  'MailFromDomainNotVerifiedException',
  'ConfigurationSetDoesNotExistException',
  'InvalidParameterValue',
])

interface SesFailure extends Error {
  readonly $fault?: 'client' | 'server'
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly $response?: { readonly headers?: Record<string, string> }
}

function refusal(error: unknown): Error {
  const { name, message, $metadata, $response } = error as SesFailure
  if (permanent.has(name)) return new Rejected('invalid_input', `SES refused the mail: ${name}: ${message}`)
  const status = $metadata?.httpStatusCode ?? 0
  if (status < 400) return withoutAnswer('SES', error)
  const retryAfter = secondsOf($response?.headers?.['retry-after'])
  return new Transient('upstream_failed', `SES did not take the mail: ${name}.`, {
    cause: error,
    ...(retryAfter !== undefined && { retryAfter }),
  })
}
