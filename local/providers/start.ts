import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startFcm } from './fcm.ts'
import { startPagerDuty } from './pagerduty.ts'
import { startSes } from './ses.ts'
import { startTwilio } from './twilio.ts'
import { startWebhookReceiver } from './webhook-receiver.ts'

export interface LocalProviders {
  /** What the functions need to find them. */
  readonly env: Readonly<Record<string, string>>
  /** Where what was sent can be seen, by the provider's name. */
  readonly urls: Readonly<Record<string, string>>
  stop(): Promise<void>
}

/**
 * The paid services that messages go to, on this machine. `GET /_control/taken` of each shows what was sent; `POST /_control/faults` makes
 * it fail (provider.ts).
 */
export async function startProviders(options: { moto: string; gatewayUrl: string; dataDir: string }): Promise<LocalProviders> {
  const [ses, twilio, fcm, pagerduty, receiver] = await Promise.all([
    startSes({ moto: options.moto }),
    startTwilio({ callbacks: true }),
    startFcm(),
    startPagerDuty(),
    startWebhookReceiver(),
  ])
  const all = { ses, twilio, fcm, pagerduty, receiver }
  const urls = {
    'e-mail (SES)': ses.url,
    'SMS (Twilio)': twilio.url,
    'push (FCM)': fcm.url,
    PagerDuty: pagerduty.url,
    'webhook receiver': receiver.url,
  }
  mkdirSync(options.dataDir, { recursive: true })
  writeFileSync(join(options.dataDir, 'providers.json'), JSON.stringify({ ...urls, routingKey: pagerduty.routingKey }, null, 2))
  return {
    env: {
      SES_ENDPOINT: ses.url,
      PUBLIC_URL: options.gatewayUrl,
      TWILIO_ACCOUNT_SID: twilio.accountSid,
      TWILIO_AUTH_TOKEN: twilio.authToken,
      TWILIO_FROM: '+15005550006',
      TWILIO_URL: twilio.url,
      FCM_SERVICE_ACCOUNT: fcm.serviceAccount,
      FCM_URL: fcm.url,
      PAGERDUTY_URL: pagerduty.url,
      PAGERDUTY_WEBHOOK_SECRETS: pagerduty.webhookSecret,
      WEBHOOK_PRIVATE: 'true',
      SNS_TOPICS: ses.topicArn,
      SNS_URLS: `${ses.url.replaceAll('.', '\\.')}/[^\\s]*`,
    },
    urls,
    stop: async () => void (await Promise.all(Object.values(all).map(provider => provider.close()))),
  }
}
