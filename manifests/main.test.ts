import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

const root = join(import.meta.dirname, '..')
const copy = mkdtempSync(join(tmpdir(), 'tidemark-manifests-'))
after(() => rmSync(copy, { recursive: true }))

for (const name of [
  'functions',
  'shared',
  'manifests',
  'knative/base',
  'kafka-sources',
  'openapi.json',
  'asyncapi.json',
  'package.json',
]) {
  cpSync(join(root, name), join(copy, name), { recursive: true })
}
symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))

function manifests(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(copy, 'manifests/main.ts'), ...args], { encoding: 'utf8' })
  return { status, output: stdout + stderr }
}
const file = (name: string) => join(copy, name)

test('what is checked in follows from the declarations', () => {
  const { status, output } = manifests('--check')
  assert.match(output, /derived files are up to date/)
  assert.equal(status, 0)
})

test('a declaration that changed, a derived file that was edited and one of a function that is gone fail the check', () => {
  const source = readFileSync(file('functions/orders/cancel.ts'), 'utf8')
  writeFileSync(file('functions/orders/cancel.ts'), source.replace("summary: 'Cancel an order'", "summary: 'Call an order off'"))
  appendFileSync(file('kafka-sources/topics/topics.yaml'), '# by hand\n')
  writeFileSync(file('knative/base/orders-forget.yaml'), '')
  const { status, output } = manifests('--check')
  assert.equal(status, 1)
  assert.match(output, /stale: openapi\.json/)
  assert.match(output, /stale: knative\/base\/orders-cancel\.yaml/)
  assert.match(output, /stale: kafka-sources\/topics\/topics\.yaml/)
  assert.match(output, /belongs to no function: knative\/base\/orders-forget\.yaml/)
  assert.doesNotMatch(output, /orders-place/)
})

test('deriving them again is all it takes', () => {
  assert.equal(manifests().status, 0)
  assert.equal(manifests('--check').status, 0)
})
