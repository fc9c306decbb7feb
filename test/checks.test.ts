import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

test('the types fit, the code is formatted, and nothing that is derived is stale', () => {
  const checked = spawnSync(process.execPath, ['test/check.ts'], {
    cwd: new URL('../', import.meta.url).pathname,
    encoding: 'utf8',
  })
  assert.equal(checked.status, 0, checked.stdout + checked.stderr)
})
