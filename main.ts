import { constants } from 'node:os'
import { functions } from './functions/index.ts'
import { ConfigError } from './shared/config.ts'

/** `node main.ts <function>`; Knative names it by K_SERVICE instead. `node main.ts migrate` brings the databases to the newest migration. */
const name = process.argv[2] ?? process.env.K_SERVICE ?? ''

try {
  if (name === 'migrate') await (await import('./shared/data/migrate-all.ts')).migrateAll(process.env)
  else await serveFunction()
} catch (error) {
  console.error(error instanceof ConfigError ? error.message : error)
  process.exit(1)
}

async function serveFunction(): Promise<void> {
  const load = functions[name]
  if (!load) {
    console.error(
      `Which function? ${name ? `There is no ${name}.` : 'Name one, or set K_SERVICE.'}\nThere are: ${Object.keys(functions).join(', ')}, and migrate`,
    )
    process.exit(2)
  }
  const [{ start }, fn] = await Promise.all([import('./shared/function/start.ts'), load()])
  const running = await start(fn, process.env)
  const stop = async (signal: NodeJS.Signals) => {
    await running.stop()
    process.exit(signal === 'SIGTERM' ? 0 : 128 + constants.signals[signal])
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  await running.ended
}
