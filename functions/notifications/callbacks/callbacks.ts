import { service } from '../../../shared/function/declare.ts'
import { callbackConfig, callbackUses } from './callback.ts'
import { pagerdutyWebhook } from './pagerduty.ts'
import { sesFeedback } from './ses.ts'
import { SnsKeys } from './sns.ts'
import { twilioStatus } from './twilio.ts'

/** What providers tell us. No token opens these: each checks its provider's signature before it believes anything. */
export const notificationCallbacks = service({
  name: 'notifications-callbacks',
  summary: 'Hear from providers what became of messages',
  uses: callbackUses,
  // For SNS's certificates.
  providers: ['Amazon SNS'],
  config: callbackConfig,
  scale: { max: 5, retention: 30 },
  setup: ({ config }) => ({ snsKeys: new SnsKeys(() => config.SNS_URLS) }),
  operations: [twilioStatus, sesFeedback, pagerdutyWebhook],
})
