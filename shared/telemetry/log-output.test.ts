import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

/** What a process has written that says some lines and then ends as told. */
function written(says: string): string {
  const log = new URL('./log.ts', import.meta.url).href
  const script = `import { createLog } from '${log}'; const log = createLog({ service: 'test', level: 'info' }); ${says}`
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', timeout: 20_000 }).stdout
}

test('a process that ends by itself has written every line', () => {
  assert.match(written(`log.info('first'); process.exit(0)`), /"msg":"first"/)
})

test('what went wrong, and all before it, is written though the process is killed the moment after', () => {
  const lines = written(`log.info('before'); log.warn('wrong'); process.kill(process.pid, 'SIGKILL')`)
  assert.match(lines, /"msg":"before".*"msg":"wrong"/s)
})
