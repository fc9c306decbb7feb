import { event } from '../../shared/function/declare.ts'
import { laneConfig, laneDelivery, laneProviders, laneUses, openLane } from './lane.ts'

/** The lane of what can wait: it leaves a part of each provider's rate to the urgent one. */
export const sendNotification = event({
  name: 'notifications-send',
  summary: 'Hand messages to their providers',
  topic: 'notifications',
  types: ['tidemark.notification.queued.v1'],
  // The row says what is to be done, whatever the order.
  order: 'unordered',
  delivery: laneDelivery,
  uses: laneUses,
  providers: laneProviders,
  config: laneConfig,
  scale: { max: 5, concurrency: 50, retention: 30 },
  setup: deps => openLane('normal', deps),
  handle: ({ delivery }, queued) => delivery.deliver(queued),
})
