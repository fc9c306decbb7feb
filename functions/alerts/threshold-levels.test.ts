import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Figures, inUnits, type Profile, suggestedOrder } from './threshold-levels.ts'
import {
  effectiveOf,
  type GivenThreshold,
  NewThreshold,
  ruleTypes,
  type StoredThreshold,
  scopeOf,
  storedThreshold,
} from './thresholds.ts'
import type { Sales } from './velocity.ts'

const today = 20_000
const profile: Profile = { category: 'kitchen', leadTimeDays: null, parLevel: null, packSize: 1, minimumOrder: 0 }
const steady = (perDay: number): Sales => ({ day: today, units: [...Array(56).fill(perDay), 0] })
const figures = (given: Partial<Figures> = {}): Figures => ({
  capacity: null,
  profile: undefined,
  sales: undefined,
  today,
  ...given,
})
const threshold = (given: Partial<GivenThreshold>): StoredThreshold =>
  storedThreshold(NewThreshold.parse({ sku: 'A', level: 10, ...given }))
const units = (given: Partial<GivenThreshold>, known: Partial<Figures> = {}) => inUnits(threshold(given), figures(known))

test('units are units, with a tenth between falling below and recovering', () => {
  assert.deepEqual(units({ level: 20, criticalLevel: 5 }), { level: 20, criticalLevel: 5, resolveAbove: 22 })
})

test('per cent are of the par level, else of the capacity of the place, else of the usual par level; of nothing they say nothing', () => {
  const quarter = { type: 'percentage', level: 25, criticalLevel: 10 } as const
  assert.deepEqual(units({ ...quarter, parLevel: 200 }, { capacity: 1_000 }), { level: 50, criticalLevel: 20, resolveAbove: 56 })
  assert.equal(units(quarter, { capacity: 1_000 })?.level, 250)
  assert.equal(units(quarter, { profile: { ...profile, parLevel: 40 } })?.level, 10)
  assert.equal(units(quarter), undefined)
  assert.equal(units({ type: 'percentage', level: 95 }, { capacity: 100 })?.resolveAbove, 95, 'a full place is above it')
})

test('days of cover are what is sold in the lead time and those days', () => {
  const cover = { type: 'days_of_cover', level: 3, criticalLevel: 0 } as const
  assert.deepEqual(units(cover, { sales: steady(4) }), { level: 40, criticalLevel: 28, resolveAbove: 44 })
  assert.equal(units(cover, { sales: steady(4), profile: { ...profile, leadTimeDays: 2 } })?.level, 20)
  assert.equal(units({ ...cover, leadTimeDays: 1 }, { sales: steady(4), profile: { ...profile, leadTimeDays: 2 } })?.level, 16)
  assert.deepEqual(units(cover), { level: 0, criticalLevel: 0, resolveAbove: 1 }, 'what does not sell lasts for ever')
})

test('a forecast is what is left when the delivery comes', () => {
  const left = { type: 'forecast', level: 5, leadTimeDays: 14 } as const
  assert.deepEqual(units(left, { sales: steady(4) }), { level: 61, criticalLevel: null, resolveAbove: 68 })
  assert.equal(units(left)?.level, 5)
})

test('whatever the type and the sales: critical is not above low, and low is below recovered', () => {
  const given = fc.record({
    rule: fc.constantFrom(...ruleTypes),
    levels: fc.array(fc.nat({ max: 100 }), { minLength: 3, maxLength: 3 }),
    days: fc.array(fc.integer({ min: -50, max: 500 }), { minLength: 1, maxLength: 85 }),
    capacity: fc.option(fc.nat({ max: 10_000 })),
  })
  fc.assert(
    fc.property(given, ({ rule, levels, days, capacity }) => {
      const [criticalLevel, level, resolveAbove] = levels.toSorted((a, b) => a - b) as [number, number, number]
      const made = units({ type: rule, level, criticalLevel, resolveAbove }, { capacity, sales: { day: today, units: days } })
      if (!made) return
      assert.ok((made.criticalLevel ?? 0) <= made.level && made.level <= made.resolveAbove, JSON.stringify(made))
      assert.ok(Object.values(made).every(Number.isInteger))
    }),
  )
})

test('an order fills up to the par level, or for lead time and cover, in whole packs, and ends the alert', () => {
  const order = (available: number, given: Partial<GivenThreshold>, known: Partial<Figures> = {}) => {
    const stored = threshold(given)
    return suggestedOrder(available, inUnits(stored, figures(known)) as never, stored, figures(known))
  }
  assert.equal(order(8, {}), null, 'neither a par level nor sales are known')
  assert.equal(order(8, { parLevel: 100 }), 92)
  assert.equal(order(-3, { parLevel: 100 }, { profile: { ...profile, packSize: 12 } }), 108)
  assert.equal(order(8, {}, { sales: steady(2) }), 2 * (7 + 14) - 8)
  assert.equal(order(8, { type: 'days_of_cover', level: 30 }, { sales: steady(2) }), 82 + 1 - 8)
  assert.equal(order(8, { parLevel: 9 }), 4, 'the alert ends above 11')
  assert.equal(order(8, { parLevel: 20 }, { profile: { ...profile, minimumOrder: 50, packSize: 24 } }), 72)
})

test('of each type the closest counts, and one that is off ends the inheritance', () => {
  const found = [
    threshold({ scope: 'default', sku: undefined, level: 1 }),
    threshold({ scope: 'location', sku: undefined, location: 'main', level: 2 }),
    threshold({ scope: 'category', sku: undefined, category: 'kitchen', level: 3 }),
    threshold({ scope: 'sku', level: 4 }),
    threshold({ level: 5 }),
  ]
  for (let known = found.length; known > 0; known--) {
    assert.deepEqual(
      effectiveOf(found.slice(0, known)).map(one => one.level),
      [known],
    )
  }
  const off = threshold({ scope: 'sku', level: 0, state: 'off', type: 'forecast' })
  const inherited = threshold({ scope: 'default', sku: undefined, type: 'forecast' })
  assert.deepEqual(
    effectiveOf([...found, off, inherited]).map(one => [one.rule, scopeOf(one)]),
    [['absolute', 'place']],
  )
})

test('what a threshold is for is said whole, and nothing beside it', () => {
  const fields = (given: object) =>
    NewThreshold.safeParse({ level: 1, ...given }).error?.issues.map(issue => issue.path.join('.')) ?? []
  assert.deepEqual(fields({}), ['sku'])
  assert.deepEqual(fields({ sku: 'A' }), [])
  assert.deepEqual(fields({ scope: 'sku', sku: 'A', location: 'main' }), ['location'])
  assert.deepEqual(fields({ scope: 'category', sku: 'A' }), ['sku', 'category'])
  assert.deepEqual(fields({ scope: 'default' }), [])
  assert.deepEqual(fields({ sku: 'A', criticalLevel: 2 }), ['criticalLevel'])
  assert.deepEqual(fields({ sku: 'A', type: 'percentage', level: 101 }), ['level'])
})
