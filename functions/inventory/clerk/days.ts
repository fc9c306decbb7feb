import fc from 'fast-check'
import type { StockCommand } from '../decide.ts'
import { at, locations } from './notebook.ts'
import type { Tables } from './tables.ts'

// Days of a warehouse.

export type Step = (books: { nth: number; tables: Tables; now: number }) => StockCommand
const sku = fc.constantFrom('A', 'B')
const place = fc.record({ sku, location: fc.constantFrom(...locations) })
const units = fc.integer({ min: 1, max: 5 })
const line = fc.tuple(place, units).map(([one, quantity]) => ({ ...one, quantity }))
const some = <T>(one: fc.Arbitrary<T>) => fc.array(one, { minLength: 1, maxLength: 3 })
export const actor = 'shop'

const moving: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: some(line).map(lines => () => ({ kind: 'receive', lines, reason: 'delivery', actor }) as const) },
  some(line).map(lines => () => ({ kind: 'sell', lines, actor }) as const),
  some(fc.tuple(place, fc.integer({ min: -4, max: 3 })).map(([one, delta]) => ({ ...one, delta }))).chain(lines =>
    fc.constantFrom('adjust' as const, 'count' as const).map(kind => () => ({ kind, lines, reason: 'seen', actor }) as const),
  ),
  fc.tuple(place, fc.nat({ max: 9 }), fc.boolean()).map(
    ([one, onHand, isStale]): Step =>
      ({ tables }) => {
        const ifMatch = (tables.rows.get(at(one))?.version ?? 0) - (isStale ? 1 : 0)
        return { kind: 'set', ...one, onHand, ifMatch, reason: 'count', actor }
      },
  ),
  fc
    .record({ safetyStock: fc.nat({ max: 2 }), backorderLimit: fc.nat({ max: 3 }), capacity: fc.constantFrom(null, null, 9) })
    .chain(given =>
      place.map(
        (one): Step =>
          () => ({ kind: 'settings', ...one, ...given, actor }),
      ),
    ),
)
const reserving: fc.Arbitrary<Step> = fc
  .record({
    lines: some(fc.oneof(line, line, fc.record({ sku, quantity: units }))),
    ttl: fc.integer({ min: 1, max: 9 }),
    partial: fc.boolean(),
    owner: fc.constantFrom(undefined, undefined, 'Ann', 'Ben'),
  })
  .map(
    ({ ttl, ...given }): Step =>
      ({ nth, now }) => {
        return { kind: 'reserve', id: `r${nth}`, expiresAt: new Date(now + ttl * 1_000), actor, ...given }
      },
  )
/** One of the newest; now and then one that never was. */
function idOf(all: Iterable<string>, back: number): string {
  const ids = [...all]
  return ids.at(-1 - (back % (ids.length + 1))) ?? 'nobody'
}
const closing: fc.Arbitrary<Step> = fc
  .record({
    kind: fc.constantFrom('commit', 'commit', 'release', 'return', 'expire', 'extend'),
    back: fc.nat({ max: 5 }),
    part: fc.option(fc.tuple(fc.nat({ max: 1 }), fc.integer({ min: 1, max: 3 })), { nil: undefined }),
  })
  .map(
    ({ kind, back, part }): Step =>
      ({ tables, now }) => {
        const id = idOf(tables.reservations.keys(), back)
        if (kind === 'extend') return { kind, id, expiresAt: new Date(now + 5_000), actor }
        const held = tables.reservations.get(id)?.lines.at(part?.[0] ?? 0)
        const isPart = held && part && kind !== 'expire'
        const lines = isPart ? [{ sku: held.sku, location: held.location, quantity: part[1] }] : undefined
        return { kind: kind as 'commit' | 'release' | 'return' | 'expire', id, lines, actor }
      },
  )
const carrying: fc.Arbitrary<Step> = fc.oneof(
  some(fc.record({ sku, quantity: units })).chain(lines =>
    fc.boolean().map(
      (isBack): Step =>
        ({ nth }) => ({
          ...{ kind: 'transfer', id: `t${nth}`, lines, actor },
          ...{ source: isBack ? 'east' : 'main', destination: isBack ? 'main' : 'east' },
        }),
    ),
  ),
  fc
    .record({
      back: fc.nat({ max: 2 }),
      isCancelled: fc.boolean(),
      isWrittenOff: fc.boolean(),
      lines: fc.option(some(fc.record({ sku, quantity: fc.integer({ min: 1, max: 2 }) })), { nil: undefined }),
    })
    .map(
      ({ back, isCancelled, isWrittenOff, lines }): Step =>
        ({ tables }) => {
          const id = idOf(tables.transfers.keys(), back)
          if (isCancelled) return { kind: 'transfer-cancel', id, actor }
          return { kind: 'transfer-receive', id, lines, writeOff: isWrittenOff ? 'broken' : undefined, actor }
        },
    ),
)
const step = fc.oneof(
  { weight: 4, arbitrary: moving },
  { weight: 5, arbitrary: reserving },
  { weight: 6, arbitrary: closing },
  { weight: 2, arbitrary: carrying },
)
export const batches = fc.array(
  fc.record({
    seconds: fc.nat({ max: 3 }),
    steps: fc.array(fc.record({ step, hasKey: fc.boolean() }), { minLength: 1, maxLength: 4 }),
    /** An earlier command with its key again: as it was, or as another command under that key. */
    again: fc.option(fc.record({ back: fc.nat({ max: 6 }), isOther: fc.boolean() }), { nil: undefined, freq: 2 }),
  }),
  { minLength: 8, maxLength: 25, size: 'max' },
)
