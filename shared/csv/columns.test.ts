import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { Rejected } from '../errors.ts'
import { type Columns, rowReader } from './columns.ts'

const columns: Columns = {
  shape: { sku: z.string(), units: z.int().default(1), ifMatch: z.int().optional() },
  renamed: { ifMatch: 'version' },
  numeric: ['units', 'ifMatch'],
  ignored: ['total'],
}

test('cells become the fields of a row, whatever the order of the columns; an empty one says nothing', () => {
  const rowOf = rowReader(columns, [' version ', 'total', 'sku', 'units'])
  assert.deepEqual(rowOf(['4', '99', ' A ', '']), { ifMatch: 4, sku: 'A' })
  assert.deepEqual(rowOf(['', '', '12', '-3']), { sku: '12', units: -3 })
  assert.deepEqual(rowOf(['', '', 'A', '3.5']), { sku: 'A', units: '3.5' }, 'what is no whole number is left to the rule')
})

test('each column that is missing, unknown or there twice is named', () => {
  assert.throws(
    () => rowReader(columns, ['units', 'units', 'ifMatch']),
    (error: unknown) => {
      assert.ok(error instanceof Rejected)
      const fields = (error.details.errors as { field: string }[]).map(({ field }) => field)
      assert.deepEqual(fields, ['sku', 'ifMatch', 'units'])
      return true
    },
  )
})
