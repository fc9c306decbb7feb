import type { LiveConfig } from '../config-live.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/**
 * Looks every `CONFIG_INTERVAL` milliseconds whether the mounted settings changed. A change is logged with the names of its variables
 * and without a value; one that is refused is seen by a gauge too, for as long as the files hold it.
 * @returns what ends it
 */
export function followSettings(
  live: LiveConfig<{ readonly CONFIG_INTERVAL: number; readonly LOG_LEVEL: string }>,
  { log, metrics }: { log: Log; metrics: Metrics },
): () => void {
  const refused = metrics.gauge('tidemark_config_refused', 'Whether the mounted settings cannot be used, so that older ones are.')
  const reloads = metrics.counter('tidemark_config_reloads_total', 'Changes of the mounted settings.', ['result'])
  for (const result of ['applied', 'refused']) reloads.inc({ result }, 0)

  const timer = setInterval(look, live.config.CONFIG_INTERVAL).unref()
  return () => clearInterval(timer)

  function look(): void {
    const found = live.look()
    if (found.kind === 'unchanged') return
    refused.set(found.kind === 'refused' ? 1 : 0)
    if (found.kind === 'refused') {
      reloads.inc({ result: 'refused' })
      const { variables, message } = found.error
      log.error({ variables, reason: message }, 'changed settings are refused, the old ones stay')
      return
    }
    // The files were written anew with what they held, or what was refused was taken back.
    if (found.variables.length === 0) return
    reloads.inc({ result: 'applied' })
    log.level = live.config.LOG_LEVEL
    log.info({ variables: found.variables }, 'settings changed')
    if (found.atNextStart.length > 0) {
      log.warn({ variables: found.atNextStart }, 'these settings take effect with the next start')
    }
  }
}
