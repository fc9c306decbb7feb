import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Rejected } from '../../shared/errors.ts'
import { type Decision, decide, type StockCommand, type StockState } from './decide.ts'
import { completed, emptyRow, freshLine, type Reservation, type StockRow } from './stock.ts'

const now = new Date('2026-01-01T12:00:00Z')
const later = new Date('2026-01-01T13:00:00Z')
const place = { sku: 'A', location: 'main' }
const row = (given: Partial<StockRow> = {}): StockRow => ({ ...emptyRow('A', 'main'), version: 1, ...given })

const given = (rows: StockRow[], reservations: Reservation[] = []): StockState => ({
  row: (sku, location) => rows.find(one => one.sku === sku && one.location === location),
  reservation: id => reservations.find(one => one.id === id),
  holdsOf: owner => reservations.filter(one => one.owner === owner && one.state === 'open'),
  sourcesOf: sku => rows.filter(one => one.sku === sku).map(({ location }) => ({ location, priority: 100 })),
  transfer: () => undefined,
})

const refusal = (work: () => unknown): Rejected => {
  try {
    work()
  } catch (error) {
    if (error instanceof Rejected) return error
    throw error
  }
  return assert.fail('was not refused')
}

const reserve = (quantity: number): StockCommand => ({
  ...{ kind: 'reserve', id: 'r', lines: [{ ...place, quantity }], expiresAt: later, actor: 'shop' },
})

test('stock that is there can be reserved to the last unit, and not one more', () => {
  const stock = given([row({ onHand: 5, reserved: 2 })])
  assert.equal(decide(stock, reserve(3), now).movements[0]?.row.reserved, 5)
  assert.deepEqual(refusal(() => decide(stock, reserve(4), now)).details, {
    shortages: [{ ...place, requested: 4, available: 3 }],
  })
})

test('safety stock is not sold, and what may be backordered is', () => {
  assert.equal(refusal(() => decide(given([row({ onHand: 5, safetyStock: 5 })]), reserve(1), now)).code, 'insufficient_stock')
  assert.equal(decide(given([row({ onHand: 0, backorderLimit: 2 })]), reserve(2), now).movements[0]?.row.reserved, 2)
})

test('a SKU that several lines name is counted as their sum', () => {
  const lines = [
    { ...place, quantity: 3 },
    { sku: 'B', location: 'main', quantity: 1 },
    { ...place, quantity: 3 },
  ]
  const stock = given([row({ onHand: 5 }), { ...row({ onHand: 5 }), sku: 'B' }])
  const short = refusal(() => decide(stock, { kind: 'reserve', id: 'r', lines, expiresAt: later, actor: 'shop' }, now))
  assert.deepEqual(short.details.shortages, [{ ...place, requested: 6, available: 5 }])
  const received = decide(stock, { kind: 'receive', lines, reason: 'supplier', actor: 'shop' }, now)
  assert.deepEqual(
    received.movements.map(({ row: { sku, onHand } }) => [sku, onHand]),
    [
      ['A', 11],
      ['B', 6],
    ],
  )
})

test('all lines are reserved or none', () => {
  const lines = [
    { ...place, quantity: 1 },
    { sku: 'NONE', location: 'main', quantity: 1 },
  ]
  const short = refusal(() =>
    decide(given([row({ onHand: 5 })]), { kind: 'reserve', id: 'r', lines, expiresAt: later, actor: 'x' }, now),
  )
  assert.deepEqual(short.details.shortages, [{ sku: 'NONE', location: 'main', requested: 1, available: 0 }])
})

test('a sale over the counter may take the safety stock, and nothing that is promised or not there', () => {
  const stock = given([row({ onHand: 5, reserved: 2, safetyStock: 2, backorderLimit: 10 })])
  const sell = (...quantities: number[]): StockCommand => ({
    ...{ kind: 'sell', lines: quantities.map(quantity => ({ ...place, quantity })), actor: 'till' },
  })
  const [movement] = decide(stock, sell(1, 2), now).movements
  assert.deepEqual([movement?.kind, movement?.onHandDelta, movement?.row.onHand], ['sell', -3, 2])
  assert.deepEqual(
    decide(stock, sell(5), now).movements[0]?.row.onHand,
    0,
    'the promise is within what may be sold before it arrives',
  )
  const promised = given([row({ onHand: 5, reserved: 2 })])
  assert.deepEqual(refusal(() => decide(promised, sell(2, 2), now)).details, {
    shortages: [{ ...place, requested: 4, available: 3 }],
  })
})

test('units that are promised cannot be adjusted away, nor can units that are not there', () => {
  const take = (delta: number): StockCommand => ({ kind: 'adjust', lines: [{ ...place, delta }], reason: 'loss', actor: 'x' })
  assert.equal(refusal(() => decide(given([row({ onHand: 5, reserved: 4 })]), take(-2), now)).code, 'insufficient_stock')
  assert.equal(refusal(() => decide(given([row({ onHand: 1, backorderLimit: 9 })]), take(-2), now)).code, 'insufficient_stock')
  assert.equal(decide(given([row({ onHand: 5, reserved: 4 })]), take(-1), now).movements[0]?.row.onHand, 4)
})

test('adjustments of one place that cancel out move nothing', () => {
  const lines = [
    { ...place, delta: 2 },
    { ...place, delta: -2 },
  ]
  assert.deepEqual(decide(given([row()]), { kind: 'adjust', lines, reason: 'count', actor: 'x' }, now).movements, [])
})

test('a count is set only over the version that was read', () => {
  const set = (ifMatch: number, onHand: number): StockCommand => ({
    kind: 'set',
    ...place,
    ifMatch,
    onHand,
    reason: 'count',
    actor: 'x',
  })
  const stock = given([row({ onHand: 5, reserved: 2, version: 7 })])
  assert.deepEqual(refusal(() => decide(stock, set(6, 9), now)).details, { version: 7 })
  assert.equal(decide(stock, set(7, 9), now).movements[0]?.row.version, 8)
  assert.equal(refusal(() => decide(stock, set(7, 1), now)).code, 'insufficient_stock')
  assert.deepEqual(decide(stock, set(7, 5), now).movements, [])
})

const held = (state: Reservation['state'], expiresAt = later): Reservation => ({
  ...{ id: 'r', state, reference: null, owner: null, expiresAt },
  lines: [completed(state, freshLine({ ...place, quantity: 2 }))],
})
type Closing = 'commit' | 'release' | 'return' | 'expire'
const close = (kind: Closing, reservation: Reservation, stock = row({ onHand: 5, reserved: 2 })): Decision =>
  decide(given([stock], [reservation]), { kind, id: 'r', actor: 'x' }, now)

test('a reservation ends in one way, and ending it again in the same way finds it done', () => {
  assert.deepEqual(
    [close('commit', held('open')).reservation?.state, close('commit', held('committed')).movements],
    ['committed', []],
  )
  assert.deepEqual(
    [close('release', held('open')).reservation?.state, close('release', held('released')).movements],
    ['released', []],
  )
  assert.deepEqual(
    [close('return', held('committed')).reservation?.state, close('return', held('returned')).movements],
    ['returned', []],
  )
  const over = held('open', now)
  assert.deepEqual([close('expire', over).reservation?.state, close('expire', held('expired')).movements], ['expired', []])
})

test('a reservation that is over cannot be ended in another way', () => {
  for (const [kind, state] of [
    ['commit', 'released'],
    ['commit', 'returned'],
    ['release', 'committed'],
    ['return', 'open'],
    ['return', 'released'],
  ] as const) {
    assert.equal(refusal(() => close(kind, held(state))).code, 'reservation_not_open', `${kind} of ${state}`)
  }
  assert.equal(refusal(() => close('commit', held('expired'))).code, 'reservation_expired')
  assert.equal(refusal(() => close('commit', held('open', now))).code, 'reservation_expired')
  assert.equal(refusal(() => decide(given([]), { kind: 'commit', id: 'x', actor: 'x' }, now)).code, 'not_found')
})

test('expiring leaves alone what is not over or was committed meanwhile, and releasing what has expired', () => {
  for (const reservation of [held('open'), held('committed'), held('released')]) {
    assert.deepEqual(close('expire', reservation), { movements: [], reservation })
  }
  assert.deepEqual(close('release', held('expired')).movements, [])
})

test('committing takes the units off the shelf and out of what is promised; returning puts them back', () => {
  const { onHand, reserved } = close('commit', held('open')).movements[0]?.row ?? row()
  assert.deepEqual([onHand, reserved], [3, 0])
  assert.equal(close('return', held('committed'), row({ onHand: 3 })).movements[0]?.row.onHand, 5)
  assert.equal(
    refusal(() => close('commit', held('open'), row({ onHand: 1, reserved: 2, backorderLimit: 5 }))).code,
    'insufficient_stock',
  )
})

test('a count cannot take what is promised, and a repair corrects what is promised too', () => {
  const stock = given([row({ onHand: 5, reserved: 4 })])
  const correct = (kind: 'count' | 'repair', line: { delta: number; reservedDelta?: number }): StockCommand => ({
    ...{ kind, lines: [{ ...place, ...line }], reason: 'audit', actor: 'x' },
  })
  assert.equal(refusal(() => decide(stock, correct('count', { delta: -2 }), now)).code, 'insufficient_stock')
  const [movement] = decide(stock, correct('repair', { delta: -2, reservedDelta: -1 }), now).movements
  assert.deepEqual([movement?.kind, movement?.row.onHand, movement?.row.reserved, movement?.row.version], ['repair', 3, 3, 2])
  assert.equal(refusal(() => decide(stock, correct('repair', { delta: -2 }), now)).code, 'insufficient_stock')
  assert.equal(refusal(() => decide(stock, correct('repair', { delta: 0, reservedDelta: -5 }), now)).code, 'insufficient_stock')
})

test('totals that are above what the ledger adds up to lose the drift, and the ledger does not', () => {
  const lines = [{ ...place, delta: 0, drift: { onHand: 2, reserved: 1 } }]
  const [movement] = decide(
    given([row({ onHand: 5, reserved: 4 })]),
    { kind: 'repair', lines, reason: 'drift', actor: 'x' },
    now,
  ).movements
  assert.deepEqual([movement?.onHandDelta, movement?.reservedDelta], [0, 0])
  assert.deepEqual([movement?.row.onHand, movement?.row.reserved], [3, 3])
})

test('receiving always succeeds and only adds', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 1e9 }), { minLength: 1, maxLength: 20 }), quantities => {
      const lines = quantities.map(quantity => ({ ...place, quantity }))
      const { movements } = decide(given([]), { kind: 'receive', lines, reason: 'supplier', actor: 'x' }, now)
      assert.equal(movements.length, 1)
      assert.equal(
        movements[0]?.row.onHand,
        quantities.reduce((sum, quantity) => sum + quantity, 0),
      )
    }),
  )
})
