import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { ConfigError, currentPassword, parseConfig, setting } from './config.ts'

const schema = z.object({
  PORT: setting.port(8080),
  DATABASE_URL: setting.url(),
  POOL: setting.count(2),
  WAIT: setting.milliseconds(100),
  DEBUG: setting.flag(false),
  KIND: z.enum(['one', 'other']).default('one'),
})
const good = { DATABASE_URL: 'postgres://u:p@host/db' }

test('what is not set takes its standard, and an empty variable is not set', () => {
  const config = parseConfig(schema, { ...good, PORT: '', UNKNOWN: 'x' })
  assert.deepEqual(config, { PORT: 8080, DATABASE_URL: good.DATABASE_URL, POOL: 2, WAIT: 100, DEBUG: false, KIND: 'one' })
})

test('numbers and flags are read from their text', () => {
  const config = parseConfig(schema, { ...good, PORT: '0', POOL: '7', DEBUG: 'true' })
  assert.deepEqual([config.PORT, config.POOL, config.DEBUG], [0, 7, true])
})

test('a bad value stops the start with the name of its variable and without the value', () => {
  const bad = { PORT: 'hunter2', DATABASE_URL: 'hunter2', POOL: '-hunter2', WAIT: '0', DEBUG: 'hunter2', KIND: 'hunter2' }
  assert.throws(
    () => parseConfig(schema, bad),
    (error: Error) => {
      assert.ok(error instanceof ConfigError)
      for (const name of Object.keys(bad)) assert.match(error.message, new RegExp(`${name}: `))
      assert.deepEqual([...error.variables].sort(), Object.keys(bad).sort())
      assert.doesNotMatch(error.message, /hunter2/)
      return true
    },
  )
})

test('a variable that is missing is named', () => {
  assert.throws(() => parseConfig(schema, {}), /DATABASE_URL: /)
})

test('a password that cannot be decoded stops the start, and is not shown', () => {
  const urls = z.object({ DATABASE_URL: setting.credentialUrl() })
  assert.throws(() => parseConfig(urls, { DATABASE_URL: 'postgres://u:hunter%zz@host/db' }), /DATABASE_URL: (?!.*hunter)/)
  assert.throws(() => parseConfig(urls, { DATABASE_URL: 'hunter2' }), /DATABASE_URL: (?!.*hunter)/)
  assert.ok(parseConfig(urls, { DATABASE_URL: 'postgres://u:hunter%40@host/db' }))
})

test('connections are opened with the newest password of the same user, and never with that of another', () => {
  let url = 'postgres://u:first%20one@host/db'
  const password = currentPassword(() => url)
  assert.equal(password(), 'first one')
  url = 'postgres://u:second@host/db'
  assert.equal(password(), 'second')
  url = 'postgres://other:third@host/db'
  assert.equal(password(), 'second')
  url = 'postgres://u:fourth@host/db'
  assert.equal(password(), 'fourth')
})
