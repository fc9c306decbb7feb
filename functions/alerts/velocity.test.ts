import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { addSales, dayOf, daysKept, isoDay, type Sales, velocityOf, weekdayOf, wholeDays } from './velocity.ts'
import { type Counted, count, nothingCounted } from './velocity-counted.ts'

const today = 20_000

test('a day is a day of the calendar, and knows its place in the week', () => {
  const monday = new Date('2011-01-03T23:59:59Z')
  assert.deepEqual([isoDay(dayOf(monday)), weekdayOf(dayOf(monday))], ['2011-01-03', 1])
})

test('velocity is the mean of whole days since the first sale: today is not over, and a day without a sale counts', () => {
  let sales = addSales(undefined, today - 4, 10)
  sales = addSales(sales, today - 2, 6)
  sales = addSales(sales, today, 1_000)
  assert.deepEqual(wholeDays(sales, today), [10, 0, 6, 0])
  assert.equal(velocityOf(sales, today, 28), 4)
  assert.equal(velocityOf(sales, today, 2), 3)
  assert.equal(velocityOf(sales, today - 4, 28), 0, 'on the day of the first sale nothing is known yet')
  assert.equal(velocityOf(undefined, today, 28), 0)
})

test('what is given back takes away from its day, and more than was sold is no sale', () => {
  let sales = addSales(undefined, today - 1, 80_995)
  sales = addSales(sales, today - 1, -80_995)
  assert.equal(velocityOf(sales, today, 7), 0)
  assert.equal(velocityOf(addSales(sales, today - 1, -5), today, 7), 0)
})

test('whatever the order of the days, each sale that is young enough counts on its own', () => {
  const sale = fc.record({ ago: fc.integer({ min: 0, max: 120 }), units: fc.integer({ min: 1, max: 50 }) })
  fc.assert(
    fc.property(fc.array(sale, { minLength: 1, maxLength: 40 }), given => {
      const newest = today - Math.min(...given.map(({ ago }) => ago))
      let sales: Sales | undefined
      // The newest first: what is too old beside it would otherwise be kept until it comes.
      for (const { ago, units } of given.toSorted((a, b) => a.ago - b.ago)) sales = addSales(sales, today - ago, units)
      const counts = given.filter(({ ago }) => today - ago > newest - daysKept)
      const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0)
      assert.equal(sum(sales?.units ?? []), sum(counts.map(({ units }) => units)))
      assert.ok((sales?.units.length ?? 0) <= daysKept)
      assert.equal(sales?.day, newest)
    }),
  )
})

test('each change counts once, whatever is delivered twice, late or in whatever order', () => {
  const deliveries = fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 30 }).chain(lengths => {
    let version = 0
    const events = lengths.map(length => {
      const since = version
      version += length
      return { since, version }
    })
    return fc.shuffledSubarray([...events, ...events], { minLength: events.length }).map(order => ({ events, order }))
  })
  fc.assert(
    fc.property(deliveries, ({ order }) => {
      let counted: Counted = nothingCounted
      const known = new Set<number>()
      for (const { since, version } of order) {
        const next = count(counted, since, version)
        assert.equal(next === undefined, known.has(version))
        known.add(version)
        counted = next ?? counted
      }
    }),
  )
})

test('when everything has come nothing is kept but how far', () => {
  const all = [
    [3, 5],
    [0, 1],
    [5, 6],
    [1, 3],
  ] as const
  let counted: Counted = nothingCounted
  for (const [since, version] of all) counted = count(counted, since, version) as Counted
  assert.deepEqual(counted, { through: 6, ahead: [] })
})

test('a gap that is never filled is given up in the end, and what comes then does not count', () => {
  let counted: Counted = nothingCounted
  // Every second version is missing.
  for (let version = 2; version <= 400; version += 2) counted = count(counted, version - 1, version) as Counted
  assert.ok(counted.ahead.length <= 64 && counted.through >= 334, JSON.stringify(counted))
  assert.equal(count(counted, 0, 1), undefined)
  assert.ok(count(counted, 398, 399))
})
