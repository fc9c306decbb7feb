import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { ConfigError } from './config.ts'
import { mountedFiles } from './config-files.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function folderWith(files: Record<string, string> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'settings-'))
  folders.push(folder)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

/** As the kubelet writes an update: a new folder, and a link that is turned to it in one step. */
function mount(folder: string, version: string, files: Record<string, string>): void {
  const own = `..${version}`
  mkdirSync(join(folder, own))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, own, name), text)
  symlinkSync(own, join(folder, '..data_tmp'))
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
}

test('each file is the value of the variable that it is named like, without the newline at its end', () => {
  const folder = folderWith({ ONE: 'a', TWO: 'b\n', THREE: ' c \n\n', FOUR: 'd\r\n', OTHER: 'x' })
  const files = mountedFiles(folder, ['ONE', 'TWO', 'THREE', 'FOUR', 'FIVE'])
  assert.deepEqual(files.read(), { ONE: 'a', TWO: 'b', THREE: ' c \n', FOUR: 'd' })
})

test('a folder that is not there has no files, and may come later', () => {
  const folder = join(folderWith(), 'later')
  const files = mountedFiles(folder, ['ONE'])
  const before = files.state()
  assert.deepEqual(files.read(), {})
  mkdirSync(folder)
  writeFileSync(join(folder, 'ONE'), '1')
  assert.notEqual(files.state(), before)
  assert.deepEqual(files.read(), { ONE: '1' })
})

test('a file that cannot be read is named', () => {
  const folder = folderWith()
  mkdirSync(join(folder, 'ONE'))
  assert.throws(
    () => mountedFiles(folder, ['ONE']).read(),
    (error: ConfigError) => {
      assert.ok(error instanceof ConfigError)
      assert.deepEqual(error.variables, ['ONE'])
      return true
    },
  )
})

test('in a plain folder a change of any file is seen, and nothing else is', () => {
  const folder = folderWith({ ONE: '1', OTHER: '1' })
  const files = mountedFiles(folder, ['ONE', 'TWO'])
  const states = [files.state()]
  writeFileSync(join(folder, 'OTHER'), '2')
  assert.equal(files.state(), states[0])
  for (const change of [
    () => writeFileSync(join(folder, 'ONE'), '12'),
    () => writeFileSync(join(folder, 'TWO'), '1'),
    () => rmSync(join(folder, 'ONE')),
  ]) {
    change()
    states.push(files.state())
  }
  assert.equal(new Set(states).size, 4)
})

test('an update that Kubernetes mounts is seen as one change, and what it removes is gone', () => {
  const folder = folderWith()
  mount(folder, 'first', { ONE: '1', TWO: '1' })
  for (const name of ['ONE', 'TWO']) symlinkSync(join('..data', name), join(folder, name))
  const files = mountedFiles(folder, ['ONE', 'TWO'])
  const before = files.state()
  assert.deepEqual(files.read(), { ONE: '1', TWO: '1' })
  mount(folder, 'second', { ONE: '2' })
  assert.notEqual(files.state(), before)
  assert.deepEqual(files.read(), { ONE: '2' }, 'though the link of the other one may still be there')
})

test('values of one update are never mixed with those of another, however often the link turns', async () => {
  const folder = folderWith()
  const names = Array.from({ length: 20 }, (_, index) => `V${index}`)
  const all = (value: string) => Object.fromEntries(names.map(name => [name, value]))
  mount(folder, 'v0', all('0'))
  const files = mountedFiles(folder, names)
  const turning = new Worker(
    `const { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } = require('node:fs')
     const { workerData: { folder, names }, parentPort } = require('node:worker_threads')
     for (let version = 1; version <= 150; version++) {
       mkdirSync(folder + '/..v' + version)
       for (const name of names) writeFileSync(folder + '/..v' + version + '/' + name, String(version))
       symlinkSync('..v' + version, folder + '/..data_tmp')
       renameSync(folder + '/..data_tmp', folder + '/..data')
       rmSync(folder + '/..v' + (version - 1), { recursive: true })
       // As long as writing takes: no reading can go on through all of them.
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
     }`,
    { eval: true, workerData: { folder, names } },
  )
  let ended = false
  turning.on('exit', () => {
    ended = true
  })
  const seen = new Set<string>()
  while (!ended) {
    const values = Object.values(files.read())
    assert.equal(values.length, names.length, 'none is missing')
    assert.equal(new Set(values).size, 1, values.join())
    seen.add(values[0] as string)
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.ok(seen.size > 10, `${seen.size} updates were seen`)
})
