import { event } from '../../shared/function/declare.ts'
import { laneConfig, laneDelivery, laneProviders, laneUses, openLane } from './lane.ts'

/**
 * The lane of what must not wait, with a topic, a process and a share of every provider's rate of its own. One instance is always there:
 * a page that came to a sleeping function would wait for its start, which takes longer than all the rest of its way.
 */
export const sendPage = event({
  name: 'notifications-page',
  summary: 'Hand urgent messages to their providers',
  topic: 'notifications-urgent',
  types: ['tidemark.page.queued.v1'],
  order: 'unordered',
  delivery: laneDelivery,
  uses: laneUses,
  providers: laneProviders,
  config: laneConfig,
  scale: { min: 1, max: 5, concurrency: 50 },
  setup: deps => openLane('urgent', deps),
  handle: ({ delivery }, queued) => delivery.deliver(queued),
})
