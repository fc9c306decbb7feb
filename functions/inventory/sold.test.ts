import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Movement } from './decide.ts'
import { soldBy } from './sold.ts'
import { emptyRow } from './stock.ts'

const moved = (sku: string, version: number, kind: Movement['kind'], onHandDelta: number): Movement => ({
  ...{ kind, onHandDelta, reservedDelta: 0, row: { ...emptyRow(sku, 'main'), version } },
})

test('what a transaction sold of a row is told apart from what else it moved, with the version before it', () => {
  const sold = soldBy([
    moved('A', 8, 'reserve', 0),
    moved('B', 3, 'transfer', -7),
    moved('A', 9, 'commit', -5),
    moved('A', 10, 'receive', 100),
    moved('A', 11, 'sell', -2),
    moved('A', 12, 'return', 3),
    moved('A', 13, 'adjust', -9),
  ])
  assert.deepEqual(Object.fromEntries(sold), { 'main A': { since: 7, units: 4 }, 'main B': { since: 2, units: 0 } })
})
