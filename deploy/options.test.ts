import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readOptions, UsageError, usage } from './options.ts'

const refused = (args: readonly string[]): string => {
  try {
    readOptions(args)
  } catch (error) {
    assert.ok(error instanceof UsageError)
    return error.message
  }
  throw new Error(`${args.join(' ')} was taken`)
}

test('the local overlay needs nothing more: image, services and time have their defaults', () => {
  assert.deepEqual(readOptions(['--overlay', 'local']), {
    overlay: 'local',
    namespace: 'tidemark',
    timeout: 600_000,
    keepTraffic: false,
    render: false,
    down: false,
  })
})

test('what runs for customers is an image that somebody named, never what lies here', () => {
  assert.match(refused(['--overlay', 'production']), /--image is missing/)
  const options = readOptions(['--overlay', 'production', '--image', `registry/tidemark@sha256:${'a'.repeat(64)}`])
  assert.equal(options !== 'help' && options.image, `registry/tidemark@sha256:${'a'.repeat(64)}`)
})

test('a wrong flag is named with what it should be', () => {
  assert.match(refused([]), /--overlay is missing: local, production, staging/)
  assert.match(refused(['--overlay', 'test']), /there are local, production, staging/)
  assert.match(refused(['--overlay', 'local', '--timeout', 'soon']), /--timeout/)
  assert.match(refused(['--overlay', 'local', '--namespace', 'My Shop']), /--namespace/)
  assert.match(refused(['--overlay', 'local', '--image', 'tidemark']), /--image must name a tag or a digest/)
  assert.match(refused(['--overlay', 'local', '--force']), /--force/)
})

test('--help says every flag', () => {
  assert.equal(readOptions(['--help']), 'help')
  for (const flag of ['overlay', 'image', 'namespace', 'context', 'timeout', 'keep-traffic', 'render', 'down'])
    assert.ok(usage().includes(`--${flag} `), flag)
})
