import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { decodeCursor, encodeCursor, pageOf } from './cursor.ts'
import type { Rejected } from './errors.ts'

const key = z.tuple([z.string(), z.string()])

test('a cursor comes back as the key it was made of', () => {
  fc.assert(
    fc.property(fc.tuple(fc.string({ unit: 'grapheme' }), fc.string()), parts => {
      assert.deepEqual(decodeCursor(encodeCursor(parts), key), parts)
    }),
  )
})

test('the first page needs no cursor', () => {
  assert.equal(decodeCursor(undefined, key), undefined)
})

test('a cursor that was not given out is refused with its field', () => {
  const strict = z.tuple([z.iso.datetime(), z.uuid()])
  for (const cursor of ['', 'x', '{}', encodeCursor(['one']), encodeCursor(['yesterday', 'an order'])]) {
    assert.throws(
      () => decodeCursor(cursor, strict),
      (error: Rejected) => error.code === 'invalid_input' && JSON.stringify(error.details).includes('"field":"cursor"'),
    )
  }
})

test('walking the pages shows every item once, in order', () => {
  fc.assert(
    fc.property(fc.nat({ max: 30 }), fc.integer({ min: 1, max: 7 }), (count, limit) => {
      const items = Array.from({ length: count }, (_, index) => String(index).padStart(3, '0'))
      const seen: string[] = []
      let cursor: string | null = null
      do {
        const after: string | undefined = decodeCursor(cursor ?? undefined, z.tuple([z.string()]))?.[0]
        const rest = items.filter(item => after === undefined || item > after).slice(0, limit + 1)
        const page: { items: string[]; next: string | null } = pageOf(rest, limit, item => [item])
        seen.push(...page.items)
        cursor = page.next
      } while (cursor !== null)
      assert.deepEqual(seen, items)
    }),
  )
})
