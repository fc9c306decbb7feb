import { event } from '../../shared/function/declare.ts'
import { start } from '../../shared/function/start.ts'

/** The same host, event, codec and answer as alerts-evaluate has, and a handler that returns at once. */
const empty = event({
  name: 'empty',
  summary: 'Takes stock events and does nothing',
  topic: 'stock',
  types: ['tidemark.stock.changed.v1'],
  order: 'unordered',
  uses: [],
  async handle() {},
})

const running = await start(empty, process.env)
process.once('SIGTERM', () => void running.stop().then(() => process.exit(0)))
