import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { sealingKeysPattern, sealWith } from './seal.ts'

const key = (id: string) => `${id}:${randomBytes(32).toString('base64url')}`

test('what was sealed can be opened again and shows nothing of itself', async () => {
  const seal = sealWith(key('a'))
  const sealed = await seal.seal('anna@example.com — ünïcode')
  assert.equal(await seal.open(sealed), 'anna@example.com — ünïcode')
  assert.equal(Buffer.from(sealed, 'base64url').includes('anna'), false)
  assert.notEqual(await seal.seal('anna@example.com'), await seal.seal('anna@example.com'))
})

test('after the key was changed old values open, and new ones need the new key', async () => {
  const [old, next] = [key('old'), key('new')]
  const sealedBefore = await sealWith(old).seal('anna')
  const both = sealWith(`${next},${old}`)
  assert.equal(await both.open(sealedBefore), 'anna')
  await assert.rejects(sealWith(old).open(await both.seal('anna')), /no sealing key new/)
})

test('a value that was changed or sealed by a stranger under our key id does not open', async () => {
  const seal = sealWith(key('a'))
  const sealed = await seal.seal('anna')
  await assert.rejects(seal.open(`${sealed.slice(0, -2)}AA`))
  await assert.rejects(seal.open(await sealWith(key('a')).seal('anna')))
})

test('only whole keys of 32 bytes are a configuration', () => {
  assert.match(key('a'), sealingKeysPattern)
  assert.match(`${key('a')},${key('b')}`, sealingKeysPattern)
  for (const wrong of ['', 'a:', 'a:short', `${key('a')},`, randomBytes(32).toString('base64url')]) {
    assert.doesNotMatch(wrong, sealingKeysPattern)
  }
})
