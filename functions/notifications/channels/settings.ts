import { z } from 'zod'
import { secret, setting } from '../../../shared/config.ts'
import { sealingKeysPattern } from '../../../shared/security/seal.ts'

export const SealingKeys = secret(z.string().regex(sealingKeysPattern, 'expected id:key, the key being 32 bytes in base64url'))

/** Where providers reach our gateway from outside. Without it no callbacks are asked for. */
export const PublicUrl = setting.url().optional()

export const pushSettings = {
  /** A service account's key file as JSON, with the role "Firebase Cloud Messaging API Admin". */
  FCM_SERVICE_ACCOUNT: secret(z.string().refine(isServiceAccount, 'expected a service account as JSON').optional()),
  /** In place of Google's hosts. */
  FCM_URL: setting.url().optional(),
}

export const twilioSettings = {
  TWILIO_ACCOUNT_SID: z
    .string()
    .regex(/^AC[0-9a-fA-F]{32}$/, 'expected AC and 32 hexadecimal digits')
    .optional(),
  TWILIO_AUTH_TOKEN: secret(z.string().min(1).optional()),
}

/** What the channels need. Each is optional: without its own settings a channel is not configured, and the others work. */
export const channelConfig = {
  SEALING_KEYS: SealingKeys,
  PUBLIC_URL: PublicUrl,
  NOTIFY_FROM: z.email().optional(),
  SES_ENDPOINT: setting.url().optional(),
  /** Events of this set reach us by SNS: only then is it known whether a mail arrived. */
  SES_CONFIGURATION_SET: z.string().min(1).optional(),
  AWS_REGION: z.string().default('eu-west-1'),
  AWS_ACCESS_KEY_ID: secret(z.string().optional()),
  AWS_SECRET_ACCESS_KEY: secret(z.string().optional()),
  ...twilioSettings,
  /** A number in E.164, or a messaging service (MG…). */
  TWILIO_FROM: z.string().min(2).optional(),
  TWILIO_URL: setting.url().optional(),
  ...pushSettings,
  PAGERDUTY_URL: setting.url().default('https://events.pagerduty.com'),
  /** Receivers in private networks and by plain HTTP: for development. */
  WEBHOOK_PRIVATE: setting.flag(false),
  /** Milliseconds a provider has for its answer. */
  SEND_DEADLINE: z.coerce.number().int().min(50).max(10_000).default(5_000),
  // Messages a second to each provider, by all instances together. 0: without limit.
  RATE_EMAIL: setting.count(50),
  RATE_SMS: setting.count(20),
  RATE_PUSH: setting.count(100),
  RATE_PAGERDUTY: setting.count(20),
  RATE_WEBHOOK: setting.count(100),
  /** Milliseconds for which a provider that keeps failing is left alone. */
  BREAKER_PAUSE: setting.milliseconds(10_000),
}

export type ChannelConfig = z.output<z.ZodObject<typeof channelConfig>>

function isServiceAccount(text: string): boolean {
  try {
    const { project_id, client_email, private_key } = JSON.parse(text) as Record<string, unknown>
    return [project_id, client_email, private_key].every(value => typeof value === 'string' && value !== '')
  } catch {
    return false
  }
}
