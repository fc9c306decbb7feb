import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '../config.ts'
import type { Look } from '../config-live.ts'
import type { Log } from '../telemetry/log.ts'
import { Metrics } from '../telemetry/metrics.ts'
import { followSettings } from './follow-settings.ts'

/** A function whose mounted settings are found as the test says, one after the other. */
function followed(looks: Look[]) {
  const lines: { level: string; message: string; fields: Record<string, unknown> }[] = []
  const told = (level: string) => (fields: Record<string, unknown>, message: string) => lines.push({ level, message, fields })
  const log = { level: 'info', info: told('info'), warn: told('warn'), error: told('error') }
  const metrics = new Metrics('test')
  const config = { CONFIG_INTERVAL: 1, LOG_LEVEL: 'debug' }
  const { promise: looked, resolve } = Promise.withResolvers<void>()
  const look = (): Look => {
    const next = looks.shift()
    if (!next) resolve()
    return next ?? { kind: 'unchanged' }
  }
  const stop = followSettings({ config, look }, { log: log as unknown as Log, metrics })
  const alive = setTimeout(() => {}, 5_000)
  return {
    log,
    lines,
    async text() {
      await looked
      clearTimeout(alive)
      stop()
      return metrics.registry.metrics()
    },
  }
}

const refusal: Look = { kind: 'refused', error: new ConfigError([{ variable: 'LIMIT', message: 'Invalid input' }]) }

test('a change is counted, told with the names of its variables, and the log has its new level at once', async () => {
  const seen = followed([{ kind: 'applied', variables: ['LOG_LEVEL', 'PORT'], atNextStart: ['PORT'] }])
  const text = await seen.text()
  assert.match(text, /tidemark_config_reloads_total\{result="applied",[^}]*\} 1\n/)
  assert.match(text, /tidemark_config_refused\{[^}]*\} 0\n/)
  assert.equal(seen.log.level, 'debug')
  assert.deepEqual(
    seen.lines.map(({ level, fields }) => [level, fields.variables]),
    [
      ['info', ['LOG_LEVEL', 'PORT']],
      ['warn', ['PORT']],
    ],
  )
})

test('a refused change is told once, and seen as long as it lasts', async () => {
  const seen = followed([refusal, { kind: 'unchanged' }, { kind: 'unchanged' }])
  const text = await seen.text()
  assert.match(text, /tidemark_config_reloads_total\{result="refused",[^}]*\} 1\n/)
  assert.match(text, /tidemark_config_refused\{[^}]*\} 1\n/)
  assert.deepEqual(
    seen.lines.map(({ level, fields }) => [level, fields.variables]),
    [['error', ['LIMIT']]],
  )
})

test('when what was refused is taken back, all is well again and nothing was applied', async () => {
  const seen = followed([refusal, { kind: 'applied', variables: [], atNextStart: [] }])
  const text = await seen.text()
  assert.match(text, /tidemark_config_refused\{[^}]*\} 0\n/)
  assert.match(text, /tidemark_config_reloads_total\{result="applied",[^}]*\} 0\n/)
})
