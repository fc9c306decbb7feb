import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { z } from 'zod'
import { atStart, ConfigError, setting } from './config.ts'
import { builtFrom, liveConfig } from './config-live.ts'

const schema = z.object({
  DATABASE_URL: setting.credentialUrl(),
  LIMIT: setting.count(10),
  LEVEL: z.enum(['low', 'high']).default('low'),
  PORT: atStart(setting.port(8080)),
})
const url = (password: string, host = 'host') => `postgres://u:${password}@${host}/db`

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'settings-'))
  write('DATABASE_URL', url('first'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function write(name: string, text: string): void {
  writeFileSync(join(folder, '.new'), `${text}\n`)
  renameSync(join(folder, '.new'), join(folder, name))
}

test('a variable comes from the environment, else from its file, else it has its standard', () => {
  write('LIMIT', '20')
  write('PORT', '7')
  const { config } = liveConfig(schema, { PORT: '9', LIMIT: '', LEVEL: undefined }, folder)
  assert.deepEqual({ ...config }, { DATABASE_URL: url('first'), LIMIT: 20, LEVEL: 'low', PORT: 9 })
})

test('a first configuration that cannot be used stops the start', () => {
  write('LIMIT', 'hunter2')
  assert.throws(() => liveConfig(schema, {}, folder), ConfigError)
  assert.throws(() => liveConfig(schema, {}, join(folder, 'nowhere')), /DATABASE_URL: /)
})

test('a change is there for everybody who holds the configuration, and its variables are named', () => {
  const { config, look } = liveConfig(schema, {}, folder)
  assert.deepEqual(look(), { kind: 'unchanged' })
  write('LIMIT', '20')
  write('LEVEL', 'high')
  assert.equal(config.LIMIT, 10, 'not before somebody looks')
  assert.deepEqual(look(), { kind: 'applied', variables: ['LIMIT', 'LEVEL'], atNextStart: [] })
  assert.deepEqual([config.LIMIT, config.LEVEL], [20, 'high'])
  assert.deepEqual(look(), { kind: 'unchanged' })
})

test('a file for a variable that stands in the environment changes nothing', () => {
  const { config, look } = liveConfig(schema, { LIMIT: '5' }, folder)
  write('LIMIT', '20')
  assert.deepEqual(look(), { kind: 'unchanged' })
  assert.equal(config.LIMIT, 5)
})

test('a bad value refuses the whole change, once, and no value is shown', () => {
  const { config, look } = liveConfig(schema, {}, folder)
  write('LIMIT', '20')
  write('LEVEL', 'hunter2')
  const refused = look()
  assert.ok(refused.kind === 'refused')
  assert.deepEqual(refused.error.variables, ['LEVEL'])
  assert.doesNotMatch(refused.error.message, /hunter2/)
  assert.deepEqual([config.LIMIT, config.LEVEL], [10, 'low'])
  assert.deepEqual(look(), { kind: 'unchanged' })
  write('LEVEL', 'high')
  assert.equal(look().kind, 'applied')
  assert.deepEqual([config.LIMIT, config.LEVEL], [20, 'high'])
})

test('without its file an optional variable has its standard again, and a required one is refused', () => {
  write('LIMIT', '20')
  const { config, look } = liveConfig(schema, {}, folder)
  rmSync(join(folder, 'LIMIT'))
  assert.deepEqual(look(), { kind: 'applied', variables: ['LIMIT'], atNextStart: [] })
  assert.equal(config.LIMIT, 10)
  rmSync(join(folder, 'DATABASE_URL'))
  const refused = look()
  assert.deepEqual(refused.kind === 'refused' && refused.error.variables, ['DATABASE_URL'])
  assert.equal(config.DATABASE_URL, url('first'))
})

test('what only a start reads is told apart: a port, and of a database all but the password', () => {
  const { look } = liveConfig(schema, {}, folder)
  write('DATABASE_URL', url('second'))
  assert.deepEqual(look(), { kind: 'applied', variables: ['DATABASE_URL'], atNextStart: [] })
  write('DATABASE_URL', url('second', 'elsewhere'))
  write('PORT', '7')
  write('LIMIT', '20')
  const all = ['DATABASE_URL', 'LIMIT', 'PORT']
  assert.deepEqual(look(), { kind: 'applied', variables: all, atNextStart: ['DATABASE_URL', 'PORT'] })
})

test('what is built from settings is built again when they changed, and only then', () => {
  const { config, look } = liveConfig(schema, {}, folder)
  let built = 0
  const limiter = builtFrom(
    () => [config.LIMIT],
    limit => ({ limit, number: ++built }),
  )
  assert.equal(built, 0, 'with the first use')
  assert.deepEqual([limiter(), limiter()], Array(2).fill({ limit: 10, number: 1 }))
  write('LEVEL', 'high')
  look()
  assert.equal(limiter().number, 1)
  write('LIMIT', '20')
  look()
  assert.deepEqual(limiter(), { limit: 20, number: 2 })
})
