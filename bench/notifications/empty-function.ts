import { event } from '../../shared/function/declare.ts'
import { start } from '../../shared/function/start.ts'

/** The event of notifications-send, read and decoded alike, and a handler that returns at once. */
const empty = event({
  name: 'empty',
  summary: 'Does nothing with an event',
  topic: 'notifications',
  types: ['tidemark.notification.queued.v1'],
  order: 'unordered',
  uses: [],
  handle: async () => {},
})

const running = await start(empty, process.env)
process.once('SIGTERM', () => void running.stop().then(() => process.exit(0)))
