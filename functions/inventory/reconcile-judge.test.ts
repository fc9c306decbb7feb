import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Figures, judge, repairOf } from './reconcile-judge.ts'

const right: Figures = {
  ...{ sku: 'A', location: 'main', onHand: 10, reserved: 4, version: 3, backorderLimit: 0, promised: 4 },
  ledger: { versions: 3, newest: 3, onHand: 10, reserved: 4 },
}
const kinds = (row: Figures) => judge(row).map(({ kind }) => kind)

test('a row that adds up has no finding and no repair', () => {
  assert.deepEqual([judge(right), repairOf(right)], [[], undefined])
})

test('units on the shelf follow the ledger, promised ones the open reservations', () => {
  const row = { ...right, onHand: 13, reserved: 9, promised: 5 }
  assert.deepEqual(kinds(row), ['on_hand', 'reserved'])
  assert.deepEqual(repairOf(row), { drift: { onHand: 3, reserved: 5 }, reservedDelta: 1 })
})

test('a ledger with a gap, of another version, or rewritten since its proof proves nothing', () => {
  const proved = { version: 2, onHand: 12, reserved: 0 }
  const wrong: Figures[] = [
    { ...right, ledger: { ...right.ledger, versions: 2 } },
    { ...right, version: 4 },
    { ...right, proved, again: { versions: 2, onHand: 11, reserved: 0 } },
    { ...right, proved, again: { versions: 1, onHand: 12, reserved: 0 } },
  ]
  for (const row of wrong) assert.deepEqual([kinds(row), repairOf(row)], [['ledger'], 'person'])
  assert.deepEqual(kinds({ ...right, proved, again: { versions: 2, onHand: 12, reserved: 0 } }), [])
})

test('nothing is repaired into more promises than there is', () => {
  const row = { ...right, onHand: 20, reserved: 12, promised: 12 }
  assert.equal(repairOf(row), 'person')
  assert.notEqual(repairOf({ ...row, backorderLimit: 2 }), 'person')
})

test('a row that is gone is put back as a whole ledger has it, with the promises that reservations stand for', () => {
  const gone = { ...right, absent: true, onHand: 0, reserved: 0, version: 0 }
  assert.deepEqual(kinds(gone), ['ledger'])
  const restored = { onHand: 10, reserved: 4, backorderLimit: 0, version: 3 }
  const drift = { onHand: 0, reserved: 0 }
  assert.deepEqual(repairOf(gone), { drift, reservedDelta: 0, restored })
  assert.deepEqual(repairOf({ ...gone, promised: 6 }), { drift, reservedDelta: 2, restored })
  assert.equal(repairOf({ ...gone, promised: 11 }), 'person')
  assert.equal(repairOf({ ...gone, ledger: { ...right.ledger, versions: 2 } }), 'person')
  const sold = { ...gone, ledger: { ...right.ledger, onHand: 1, reserved: 4 } }
  assert.deepEqual(repairOf(sold), {
    drift,
    reservedDelta: 0,
    restored: { onHand: 1, reserved: 4, backorderLimit: 3, version: 3 },
  })
})

test('a place that neither ledger nor reservations know needs no row', () => {
  const nowhere = { versions: 0, newest: 0, onHand: 0, reserved: 0 }
  const row = { ...right, absent: true, onHand: 0, reserved: 0, version: 0, promised: 0, ledger: nowhere }
  assert.deepEqual([kinds(row), repairOf(row)], [[], undefined])
  assert.equal(repairOf({ ...row, promised: 1 }), 'person')
})
