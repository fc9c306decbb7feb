import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { sealingKeysPattern, sealWith } from './seal.ts'

const sealedBy = (keys: string) => sealWith(() => keys)
const key = (id: string) => `${id}:${randomBytes(32).toString('base64url')}`

test('what was sealed can be opened again and shows nothing of itself', async () => {
  const seal = sealedBy(key('a'))
  const sealed = await seal.seal('anna@example.com — ünïcode')
  assert.equal(await seal.open(sealed), 'anna@example.com — ünïcode')
  assert.equal(Buffer.from(sealed, 'base64url').includes('anna'), false)
  assert.notEqual(await seal.seal('anna@example.com'), await seal.seal('anna@example.com'))
})

test('after the key was changed old values open, and new ones need the new key', async () => {
  const [old, next] = [key('old'), key('new')]
  const sealedBefore = await sealedBy(old).seal('anna')
  const both = sealedBy(`${next},${old}`)
  assert.equal(await both.open(sealedBefore), 'anna')
  await assert.rejects(sealedBy(old).open(await both.seal('anna')), /no sealing key new/)
})

test('a key that comes while the process runs seals from then on', async () => {
  const [old, next] = [key('old'), key('new')]
  let keys = old
  const seal = sealWith(() => keys)
  const before = await seal.seal('anna')
  keys = `${next},${old}`
  const after = await seal.seal('anna')
  assert.deepEqual([await seal.open(before), await seal.open(after)], ['anna', 'anna'])
  await assert.rejects(sealedBy(old).open(after), /no sealing key new/)
})

test('a value that was changed or sealed by a stranger under our key id does not open', async () => {
  const seal = sealedBy(key('a'))
  const sealed = await seal.seal('anna')
  await assert.rejects(seal.open(`${sealed.slice(0, -2)}AA`))
  await assert.rejects(seal.open(await sealedBy(key('a')).seal('anna')))
})

test('only whole keys of 32 bytes are a configuration', () => {
  assert.match(key('a'), sealingKeysPattern)
  assert.match(`${key('a')},${key('b')}`, sealingKeysPattern)
  for (const wrong of ['', 'a:', 'a:short', `${key('a')},`, randomBytes(32).toString('base64url')]) {
    assert.doesNotMatch(wrong, sealingKeysPattern)
  }
})
