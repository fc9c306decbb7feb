import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { chooseSources, type Source, strategies } from './sources.ts'

const at = (location: string, sku: string, available: number, priority = 100): Source => ({ location, sku, available, priority })

test('the order of locations is kept, and the next one gives what the one before could not', () => {
  const sources = [at('far', 'A', 9, 9), at('near', 'A', 3, 1)]
  assert.deepEqual(chooseSources([{ sku: 'A', quantity: 5 }], sources, 'priority'), {
    lines: [
      { sku: 'A', location: 'near', quantity: 3 },
      { sku: 'A', location: 'far', quantity: 2 },
    ],
    missing: [],
  })
})

test('a location that has the whole order is alone, whatever lies nearer', () => {
  const sources = [at('near', 'A', 9, 1), at('far', 'A', 2, 9), at('far', 'B', 1, 9)]
  const wanted = [
    { sku: 'A', quantity: 2 },
    { sku: 'B', quantity: 1 },
  ]
  const { lines } = chooseSources(wanted, sources, 'fewest-splits')
  assert.deepEqual(new Set(lines.map(({ location }) => location)), new Set(['far']))
})

test('of locations that cover the same the first by priority is taken', () => {
  const sources = [at('b', 'A', 9, 2), at('a', 'A', 5, 1)]
  assert.equal(chooseSources([{ sku: 'A', quantity: 5 }], sources, 'fewest-splits').lines[0]?.location, 'a')
  assert.equal(chooseSources([{ sku: 'A', quantity: 5 }], sources, 'most-stock').lines[0]?.location, 'b')
})

const codes = ['a', 'b', 'c', 'd']
const skus = ['X', 'Y']
const shelves = fc.array(fc.record({ available: fc.integer({ min: -2, max: 9 }), priority: fc.nat({ max: 3 }) }), {
  minLength: codes.length * skus.length,
  maxLength: codes.length * skus.length,
})
const order = fc.record({ X: fc.integer({ min: 1, max: 20 }), Y: fc.integer({ min: 1, max: 20 }) })
const sourcesOf = (given: readonly { available: number; priority: number }[]): Source[] =>
  given.map(({ available, priority }, index) =>
    at(codes[index % codes.length] as string, skus[Math.floor(index / codes.length)] as string, available, priority),
  )

test('nothing is taken that is not there, nothing is missing that is, and all that is wanted is one or the other', () => {
  fc.assert(
    fc.property(shelves, order, fc.constantFrom(...strategies), (given, amounts, strategy) => {
      const sources = sourcesOf(given)
      const wanted = skus.map(sku => ({ sku, quantity: amounts[sku as 'X'] }))
      const { lines, missing } = chooseSources(wanted, sources, strategy)
      for (const line of lines) {
        const there = sources.find(one => one.sku === line.sku && one.location === line.location)?.available ?? 0
        assert.ok(line.quantity > 0 && line.quantity <= there)
      }
      assert.equal(new Set(lines.map(line => `${line.sku} ${line.location}`)).size, lines.length, 'a place stands once')
      for (const { sku, quantity } of wanted) {
        const taken = lines.filter(line => line.sku === sku).reduce((sum, line) => sum + line.quantity, 0)
        const there = sources.filter(one => one.sku === sku).reduce((sum, one) => sum + Math.max(one.available, 0), 0)
        assert.equal(taken, Math.min(quantity, there))
        assert.equal(missing.find(line => line.sku === sku)?.quantity ?? 0, quantity - taken)
      }
    }),
  )
})

test('a single SKU is never split over more locations than it must be', () => {
  fc.assert(
    fc.property(shelves, order, (given, { X }) => {
      const sources = sourcesOf(given).filter(({ sku }) => sku === 'X')
      const { lines } = chooseSources([{ sku: 'X', quantity: X }], sources, 'fewest-splits')
      const most = sources.map(({ available }) => Math.max(available, 0)).sort((a, b) => b - a)
      let needed = 0
      for (let left = X; left > 0 && (most[needed] ?? 0) > 0; needed++) left -= most[needed] as number
      assert.equal(lines.length, needed)
    }),
  )
})
