import assert from 'node:assert/strict'
import { test } from 'node:test'
import { validate, version } from 'uuid'
import { newId } from './ids.ts'

test('ids are in the order in which they were made, however many in a millisecond, and say when that was', () => {
  const before = Date.now()
  const ids = Array.from({ length: 50_000 }, newId)
  assert.deepEqual(ids.toSorted(), ids)
  assert.equal(new Set(ids).size, ids.length)
  const [first = ''] = ids
  assert.ok(validate(first) && version(first) === 7)
  const time = Number.parseInt(first.replaceAll('-', '').slice(0, 12), 16)
  assert.ok(time >= before && time <= Date.now())
})
