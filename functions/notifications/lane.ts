import { z } from 'zod'
import type { Deps } from '../../shared/function/resources.ts'
import { sealWith } from '../../shared/security/seal.ts'
import type { ChannelName } from './channels/channel.ts'
import { type ChannelConfig, channelConfig } from './channels/settings.ts'
import type { Priority } from './retry-plan.ts'

/** What both lanes stand on. */
export const laneUses = ['db:notifications', 'redis'] as const
export const laneConfig = z.object(channelConfig)
export const laneProviders = ['Amazon SES', 'Twilio', 'Firebase Cloud Messaging', 'PagerDuty', 'receivers of webhooks'] as const

/** Rows come back by themselves long before KafkaSource gives an event up: 0.4 s, then twice as long each time, 102 s in all. */
export const laneDelivery = { retry: 8, backoffDelay: 'PT0.2S' } as const

export async function openLane(lane: Priority, deps: Deps<typeof laneUses, ChannelConfig>) {
  const { db, redis, config, metrics, now, newId } = deps
  const [{ Delivery }, { providerRates }] = await Promise.all([import('./delivery.ts'), import('./rates.ts')])
  const rateOf: Record<ChannelName, () => number> = {
    email: () => config.RATE_EMAIL,
    sms: () => config.RATE_SMS,
    push: () => config.RATE_PUSH,
    pagerduty: () => config.RATE_PAGERDUTY,
    webhook: () => config.RATE_WEBHOOK,
  }
  const delivery = new Delivery({
    ...{ database: db.notifications, config, metrics, lane, now, newId },
    seal: sealWith(() => config.SEALING_KEYS),
    rates: providerRates(redis, channel => rateOf[channel]()),
  })
  // A lane that is always there has loaded its SDKs before the first message comes; a sleeping one starts faster without them.
  if (lane === 'urgent')
    setImmediate(() => delivery.warm().catch(error => deps.log.warn({ cause: (error as Error).message }, 'not warm')))
  return { delivery, close: async () => delivery.close() }
}
