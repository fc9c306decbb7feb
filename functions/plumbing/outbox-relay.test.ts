import assert from 'node:assert/strict'
import { test } from 'node:test'
import { partAtStart } from '../../shared/config.ts'
import { configOf } from '../../shared/function/start.ts'
import { outboxRelay } from './outbox-relay.ts'

test('a change of what the relay reads once is said to wait for its next start', () => {
  const { shape } = configOf(outboxRelay)
  for (const name of ['DATABASE_POOL', 'RELAY_BATCH'] as const) assert.equal(partAtStart(shape[name], 7), 7, name)
  assert.equal(partAtStart(shape.LOG_LEVEL, 'debug'), undefined, 'which follows a change')
})
