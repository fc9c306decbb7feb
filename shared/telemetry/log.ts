import { pino } from 'pino'
import { masked } from '../security/mask.ts'
import { currentWork } from './context.ts'

export type Log = pino.Logger

/** Fields that hold personal data or secrets wherever they appear in a log line. */
const personal = ['email', 'to', 'recipient', 'phone', 'address', 'name', 'customer']
const secret = ['authorization', 'token', 'password', 'secret', 'key']

/** One JSON object a line on standard output, with the request and trace that it belongs to. */
export function createLog(options: { service: string; level: string }): Log {
  const paths = (names: string[]) => names.flatMap(name => [name, `*.${name}`])
  return pino({
    level: options.level,
    base: { service: options.service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: label => ({ level: label }) },
    mixin() {
      const work = currentWork()
      return work ? { requestId: work.requestId, traceId: work.trace.traceId } : {}
    },
    redact: {
      paths: [...paths(personal), ...paths(secret)],
      censor: (value, path) => (personal.includes(path.at(-1) ?? '') ? masked(String(value)) : '[secret]'),
    },
  })
}
