import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { findTool } from './kubectl.ts'

const deploy = (...args: string[]) =>
  spawnSync(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })

test('--help tells and does nothing; a wrong flag ends with status 2 and the same text', () => {
  const help = deploy('--help')
  assert.equal(help.status, 0)
  assert.match(help.stdout, /npm run deploy -- --overlay NAME/)
  const wrong = deploy('--overlay', 'moon')
  assert.equal(wrong.status, 2)
  assert.match(wrong.stderr, /--overlay moon: there are local, production, staging[\s\S]*--keep-traffic/)
})

test('what would be applied can be read without a cluster, for every overlay, with the image that was named', {
  skip: !findTool('kubectl') && 'kubectl is not here',
}, () => {
  const image = `tidemark@sha256:${'a'.repeat(64)}`
  for (const overlay of ['local', 'staging', 'production']) {
    const { status, stdout, stderr } = deploy('--overlay', overlay, '--image', image, '--render')
    assert.equal(status, 0, stderr)
    const functions = parseAllDocuments(stdout)
      .map(document => document.toJS())
      .filter(({ apiVersion }) => apiVersion === 'serving.knative.dev/v1')
    assert.ok(functions.length >= 21, overlay)
    for (const { spec } of functions) assert.equal(spec.template.spec.containers[0].image, image)
  }
})
