import { Transient } from './errors.ts'
import type { Log } from './telemetry/log.ts'

/**
 * Runs the parts of a round side by side. Each comes to its end, whatever becomes of the others; then the round fails with what failed:
 * the error of one, or the errors of several in one, which is transient only when all of them are. The log says which part it was.
 */
export async function runParts(log: Pick<Log, 'error'>, parts: Readonly<Record<string, () => Promise<void>>>): Promise<void> {
  const failures: unknown[] = []
  await Promise.all(
    Object.entries(parts).map(async ([part, run]) => {
      try {
        await run()
      } catch (error) {
        failures.push(error)
        // At once: a part that hangs would keep the round from saying it before its deadline.
        log.error({ part, cause: messagesOf(error) }, 'a part of the round failed')
      }
    }),
  )
  if (failures.length === 0) return
  if (failures.length === 1) throw failures[0]
  const all = new AggregateError(failures, failures.map(error => messagesOf(error)[0]).join('; '))
  throw failures.every(error => error instanceof Transient) ? new Transient('unavailable', all.message, { cause: all }) : all
}

/** Down to the root. */
const messagesOf = (error: unknown): string[] =>
  error instanceof Error ? [`${error.name}: ${error.message}`, ...messagesOf(error.cause)] : []
