import { z } from 'zod'
import { secret } from '../../../shared/config.ts'
import { signedOperation } from '../../../shared/function/operation.ts'
import type { Deps } from '../../../shared/function/resources.ts'
import { PublicUrl, twilioSettings } from '../channels/settings.ts'
import type { SnsKeys } from './sns.ts'

export const callbackUses = ['db:notifications', 'call:alerts-respond'] as const

/** Without its own settings a callback is refused; the others work. */
export const callbackConfig = z.object({
  PUBLIC_URL: PublicUrl,
  TWILIO_AUTH_TOKEN: twilioSettings.TWILIO_AUTH_TOKEN,
  /** Topics whose messages are believed, with commas between them: anybody can have a topic that is signed rightly. */
  SNS_TOPICS: z.string().min(1).optional(),
  /** Where SNS publishes its certificates and confirms subscriptions. A regular expression over the whole URL. */
  SNS_URLS: z
    .string()
    .refine(isPattern, 'expected a regular expression')
    .default('https://sns\\.[a-z0-9-]{3,}\\.amazonaws\\.com(\\.cn)?/[^\\s]*'),
  /** Of the webhook subscription; while they rotate, two with a comma between them. */
  PAGERDUTY_WEBHOOK_SECRETS: secret(z.string().min(8).optional()),
})

export const callbackOperation = signedOperation<
  Deps<typeof callbackUses, z.output<typeof callbackConfig>> & { readonly snsKeys: SnsKeys }
>()

export const Received = z.object({ received: z.literal(true) }).meta({ id: 'CallbackReceived' })
export const received = { received: true } as const

function isPattern(text: string): boolean {
  try {
    return new RegExp(text) !== undefined
  } catch {
    return false
  }
}
