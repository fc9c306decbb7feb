import { z } from 'zod'
import { secret, setting } from '../../shared/config.ts'
import type { Deps } from '../../shared/function/resources.ts'
import { sealingKeysPattern, sealWith } from '../../shared/security/seal.ts'
import type { Planning } from './planning.ts'
import { standardPace } from './routing.ts'

export const SealingKeys = secret(z.string().regex(sealingKeysPattern, 'expected id:key, the key being 32 bytes in base64url'))

export const planningConfig = z.object({
  /** Who is told by mail what no route takes. */
  NOTIFY_TO: z.email(),
  SEALING_KEYS: SealingKeys,
  /** Seconds that the default route's first alert waits for others, and those after it for the next message. */
  NOTIFY_GROUP_WAIT: setting.count(standardPace.groupWait),
  NOTIFY_GROUP_INTERVAL: setting.count(standardPace.groupInterval),
  /** Seconds after which an urgent message that is not delivered falls back to another channel. */
  DELIVER_WITHIN: setting.count(60),
  /** Messages to one recipient by one channel, what is urgent not counted; more join the digest. */
  MESSAGES_AN_HOUR: setting.count(60),
})

type Planner = Deps<readonly ['db:notifications'], z.output<typeof planningConfig>>

export function planningOf({ config, newId, log, metrics }: Pick<Planner, 'config' | 'newId' | 'log' | 'metrics'>): Planning {
  const planned = metrics.counter('tidemark_notifications_planned_total', 'Messages planned.', ['kind', 'channel', 'way'])
  const failed = metrics.counter('tidemark_template_failures_total', 'Saved templates that failed with a message.', ['template'])
  return {
    seal: sealWith(() => config.SEALING_KEYS),
    newId,
    settings: () => config,
    planned: (kind, channel, way) => planned.inc({ kind, channel, way }),
    templateFailed: ({ kind, channel, locale, version }, error) => {
      const template = `${kind}/${channel}/${locale}`
      failed.inc({ template })
      log.error({ template, version, reason: error.message }, 'a template failed; the built-in one spoke instead')
    },
  }
}
