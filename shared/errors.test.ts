import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allCodes, isCode, isRejectedCode, Rejected, statusOf, Transient, titleOf } from './errors.ts'

test('every code has one status and one sentence for people', () => {
  for (const code of allCodes) {
    assert.match(titleOf(code), /^[A-Z].*\.$/)
    const status = statusOf(code)
    assert.ok(isRejectedCode(code) ? status >= 400 && status < 500 : status >= 500 && status < 600, code)
  }
})

test('a rejection keeps what it was about, and a transient failure its cause and when to come back', () => {
  const rejected = new Rejected('insufficient_stock', undefined, { shortages: [1] })
  assert.equal(rejected.message, titleOf('insufficient_stock'))
  assert.deepEqual(rejected.details, { shortages: [1] })
  const cause = new Error('connection lost')
  const transient = new Transient('unavailable', 'no database', { cause, retryAfter: 7 })
  assert.equal(transient.cause, cause)
  assert.equal(transient.retryAfter, 7)
  assert.equal('cause' in new Transient('internal'), false)
})

test('only our own codes are codes, whatever an object inherits', () => {
  assert.ok(isCode('overloaded'))
  for (const other of ['toString', '', 'nothing', 503, undefined]) assert.equal(isCode(other), false)
  assert.equal(isRejectedCode('overloaded'), false)
})
