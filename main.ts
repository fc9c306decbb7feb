import { constants } from 'node:os'
import { functions } from './functions/index.ts'
import { ConfigError } from './shared/config.ts'
import { start } from './shared/function/start.ts'

/** `node main.ts <function>`; Knative names it by K_SERVICE instead. */
const name = process.argv[2] ?? process.env.K_SERVICE ?? ''
const load = functions[name]
if (!load) {
  console.error(
    `Which function? ${name ? `There is no ${name}.` : 'Name one, or set K_SERVICE.'}\nThere are: ${Object.keys(functions).join(', ')}`,
  )
  process.exit(2)
}

try {
  const running = await start(await load(), process.env)
  const stop = async (signal: NodeJS.Signals) => {
    await running.stop()
    process.exit(signal === 'SIGTERM' ? 0 : 128 + constants.signals[signal])
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  await running.ended
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : error)
  process.exit(1)
}
