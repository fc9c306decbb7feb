import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Rejected } from '../../shared/errors.ts'
import { decide, type StockCommand, type StockState } from './decide.ts'
import { emptyRow, freshLine, outstanding, type Reservation, type StockRow } from './stock.ts'
import type { Transfer } from './transfer.ts'

const now = new Date('2026-01-01T12:00:00Z')
const later = new Date('2026-01-01T13:00:00Z')
const place = { sku: 'A', location: 'main' }
const row = (given: Partial<StockRow> = {}): StockRow => ({ ...emptyRow('A', 'main'), version: 1, ...given })
const held = (quantity: number, given: Partial<Reservation> = {}): Reservation => ({
  ...{ id: 'old', state: 'open', reference: null, owner: 'Ann', expiresAt: later },
  lines: [freshLine({ ...place, quantity })],
  ...given,
})

const given = (rows: StockRow[], reservations: Reservation[] = [], transfers: Transfer[] = []): StockState => ({
  row: (sku, location) => rows.find(one => one.sku === sku && one.location === location),
  reservation: id => reservations.find(one => one.id === id),
  holdsOf: owner => reservations.filter(one => one.owner === owner && one.state === 'open'),
  sourcesOf: sku => rows.filter(one => one.sku === sku).map(({ location }) => ({ location, priority: 100 })),
  transfer: id => transfers.find(one => one.id === id),
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
const reserve = (quantity: number, more: object = {}): StockCommand => ({
  ...{ kind: 'reserve', id: 'new', lines: [{ ...place, quantity }], expiresAt: later, actor: 'shop' },
  ...more,
})

test("an owner's older hold gives way as two movements, and stays when the new one is refused", () => {
  const stock = given([row({ onHand: 5, reserved: 4 })], [held(4)])
  const { movements, replaced } = decide(stock, reserve(5, { owner: 'Ann' }), now)
  assert.deepEqual(
    movements.map(({ kind, reservedDelta, row: { version } }) => [kind, reservedDelta, version]),
    [
      ['release', -4, 2],
      ['reserve', 5, 3],
    ],
  )
  assert.equal(replaced?.[0]?.state, 'released')
  assert.equal(refusal(() => decide(stock, reserve(6, { owner: 'Ann' }), now)).code, 'insufficient_stock')
  assert.equal(refusal(() => decide(stock, reserve(2, { owner: 'Ben' }), now)).code, 'insufficient_stock')
})

test("an owner's hold that is over ends as expired when it gives way", () => {
  const { replaced } = decide(
    given([row({ onHand: 5, reserved: 4 })], [held(4, { expiresAt: now })]),
    reserve(5, { owner: 'Ann' }),
    now,
  )
  assert.equal(replaced?.[0]?.state, 'expired')
})

test('stock on shelves is promised before stock that has yet to arrive', () => {
  const rows = [row({ location: 'a', backorderLimit: 9 }), row({ location: 'b', onHand: 3 })]
  const lines = [{ sku: 'A', quantity: 3 }]
  const sourced = (quantity: number) =>
    decide(given(rows), reserve(0, { lines: lines.map(line => ({ ...line, quantity })), strategy: 'priority' }), now)
  assert.deepEqual(
    sourced(3).reservation?.lines.map(line => line.location),
    ['b'],
  )
  assert.equal(sourced(12).movements.length, 2)
  assert.deepEqual(refusal(() => sourced(13)).details.shortages, [{ sku: 'A', requested: 13, available: 12 }])
})

test('a line that names its location goes before one of the same SKU that does not', () => {
  const rows = [row({ onHand: 3 }), row({ location: 'shop', onHand: 3 })]
  const lines = [
    { sku: 'A', quantity: 3 },
    { ...place, quantity: 2 },
  ]
  const { reservation } = decide(given(rows), reserve(0, { lines, strategy: 'priority' }), now)
  assert.deepEqual(
    reservation?.lines.map(line => [line.location, line.quantity]),
    [
      ['main', 3],
      ['shop', 2],
    ],
  )
})

test('no more comes back than was committed, in however many parts', () => {
  const line = { ...freshLine({ ...place, quantity: 5 }), committed: 4, returned: 3 }
  const open = held(5, { lines: [line] })
  const back = (quantity?: number) =>
    decide(
      given([row({ onHand: 1, reserved: 1 })], [open]),
      { kind: 'return', id: 'old', actor: 'x', ...(quantity !== undefined && { lines: [{ ...place, quantity }] }) },
      now,
    )
  assert.deepEqual(refusal(() => back(2)).details.lines, [{ ...place, requested: 2, outstanding: 1 }])
  const { movements, reservation } = back()
  assert.deepEqual([movements[0]?.onHandDelta, reservation?.state, reservation?.lines[0]?.returned], [1, 'open', 4])
})

test('the last part decides how a reservation ended', () => {
  const line = { ...freshLine({ ...place, quantity: 5 }), committed: 2 }
  const stock = given([row({ onHand: 3, reserved: 3 })], [held(5, { lines: [line] })])
  const { reservation } = decide(stock, { kind: 'release', id: 'old', actor: 'x' }, now)
  assert.deepEqual([reservation?.state, reservation?.lines.map(outstanding)], ['released', [0]])
})

test('a delivery has to find room, and what comes back does not', () => {
  const stock = given(
    [row({ onHand: 9, capacity: 10 })],
    [held(2, { state: 'committed', lines: [{ ...freshLine({ ...place, quantity: 2 }), committed: 2 }] })],
  )
  const receive = (quantity: number): StockCommand => ({
    ...{ kind: 'receive', lines: [{ ...place, quantity }], reason: 'supplier', actor: 'x' },
  })
  assert.equal(decide(stock, receive(1), now).movements[0]?.row.onHand, 10)
  assert.deepEqual(refusal(() => decide(stock, receive(2), now)).details, { lines: [{ ...place, quantity: 2, room: 1 }] })
  assert.equal(decide(stock, { kind: 'return', id: 'old', actor: 'x' }, now).movements[0]?.row.onHand, 11)
})

test('a transfer has to find room where it goes, and not where it comes back to', () => {
  const transfer: Transfer = {
    ...{
      id: 't',
      state: 'in_transit',
      source: 'main',
      destination: 'shop',
      reference: null,
      writeOffReason: null,
      createdAt: now,
    },
    lines: [{ sku: 'A', quantity: 4, received: 1, writtenOff: 0, cancelled: 0 }],
  }
  const stock = given([row({ onHand: 5, capacity: 5 }), row({ location: 'shop', onHand: 1, capacity: 3 })], [], [transfer])
  assert.equal(refusal(() => decide(stock, { kind: 'transfer-receive', id: 't', actor: 'x' }, now)).code, 'capacity_exceeded')
  const back = decide(stock, { kind: 'transfer-cancel', id: 't', actor: 'x' }, now)
  assert.deepEqual([back.movements[0]?.row.onHand, back.transfer?.lines[0]?.cancelled], [8, 3])
})

test('settings that change nothing move nothing, and changed ones count up both versions', () => {
  const stock = given([row({ onHand: 5, settingsVersion: 3 })])
  const settings = (safetyStock: number, ifMatch?: number): StockCommand => ({
    ...{ kind: 'settings', ...place, safetyStock, backorderLimit: 0, capacity: null, actor: 'x', ifMatch },
  })
  assert.deepEqual(decide(stock, settings(0, 3), now).movements, [])
  const moved = decide(stock, settings(2, 3), now).movements[0]?.row
  assert.deepEqual([moved?.version, moved?.settingsVersion, moved?.onHand], [2, 4, 5])
  assert.deepEqual(refusal(() => decide(stock, settings(2, 2), now)).details, { version: 3 })
  assert.equal(decide(stock, settings(2), now).movements.length, 1, 'who names no version overwrites')
})
