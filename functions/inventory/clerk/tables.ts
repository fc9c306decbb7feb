import assert from 'node:assert/strict'
import { Rejected } from '../../../shared/errors.ts'
import { type Loaded, type Outcome, type Remembered, refusalIn, type Submitted, type Writes } from '../batch.ts'
import type { Reservation, StockRow } from '../stock.ts'
import type { Transfer } from '../transfer.ts'
import { at, locations, type Notebook } from './notebook.ts'

/** What the database does with a batch. */
export class Tables {
  rows = new Map<string, StockRow>()
  reservations = new Map<string, Reservation>()
  transfers = new Map<string, Transfer>()
  remembered = new Map<string, Remembered>()
  ledger: { place: string; onHand: number; held: number; version: number }[] = []

  loaded(skus: readonly string[], lapsed: Reservation[]): Loaded {
    const sources = skus.map(sku => [sku, locations.map((location, index) => ({ location, priority: index }))] as const)
    return frozen({
      rows: [...this.rows.values()],
      reservations: [...this.reservations.values()],
      transfers: [...this.transfers.values()],
      remembered: [...this.remembered.values()],
      sources: new Map(sources),
      lapsed,
    })
  }

  write({ rows, movements, opened, changed, dispatched, moved, remembered }: Writes): void {
    for (const { row, onHandDelta, reservedDelta } of movements) {
      this.ledger.push({ place: at(row), onHand: onHandDelta, held: reservedDelta, version: row.version })
    }
    for (const row of rows) this.rows.set(at(row), row)
    for (const { reservation } of opened) this.reservations.set(reservation.id, reservation)
    for (const reservation of changed) this.reservations.set(reservation.id, reservation)
    for (const { transfer } of dispatched) this.transfers.set(transfer.id, transfer)
    for (const transfer of moved) this.transfers.set(transfer.id, transfer)
    for (const answer of remembered) {
      assert.ok(!this.remembered.has(answer.key), `${answer.key} is remembered twice`)
      this.remembered.set(answer.key, answer)
    }
  }
}

/** What is decided on may not be changed by deciding. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || value instanceof Date || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const inner of Object.values(value)) frozen(inner)
  return value
}

export const isHeld = (reservation: Reservation, short: readonly string[]) =>
  reservation.lines.some(
    line => line.quantity > line.committed + line.released && short.some(place => place === `${line.sku}@` || place === at(line)),
  )

export const toldBy = (outcome: Outcome): { code: string } | { body: string } => {
  const error = 'error' in outcome ? outcome.error : refusalIn(outcome.answer)
  if (error instanceof Rejected) return { code: error.code }
  if (error !== undefined) throw error
  return { body: (outcome as { answer: { body: string } }).answer.body }
}

export function movesOf(writes: Writes, submitted: Submitted | undefined, batch: readonly Submitted[]): string[] {
  return writes.movements
    .filter(one => (submitted ? one.submitted === submitted : !batch.includes(one.submitted)))
    .map(({ kind, row, onHandDelta, reservedDelta }) => `${kind} ${at(row)} ${onHandDelta} ${reservedDelta}`)
    .sort()
}

/** What stands in the tables, in the clerk's words. */
export const noted = ({ rows, reservations, transfers }: Tables): Notebook => ({
  shelves: new Map(
    [...rows].map(([place, row]) => [
      place,
      {
        ...{ onHand: row.onHand, held: row.reserved, safety: row.safetyStock, backorder: row.backorderLimit },
        ...{ room: row.capacity, version: row.version },
      },
    ]),
  ),
  holds: new Map(
    [...reservations].map(([id, { state, owner, expiresAt, lines }]) => [
      id,
      {
        ...{ state, owner: owner ?? undefined, until: expiresAt.getTime() },
        lines: new Map(
          lines.map(line => [
            at(line),
            { asked: line.quantity, gone: line.committed, given: line.released, back: line.returned },
          ]),
        ),
      },
    ]),
  ),
  journeys: new Map(
    [...transfers].map(([id, { state, source, destination, lines }]) => [
      id,
      {
        ...{ state, from: source, to: destination },
        lines: new Map(
          lines.map(line => [
            line.sku,
            { sent: line.quantity, arrived: line.received, lost: line.writtenOff, home: line.cancelled },
          ]),
        ),
      },
    ]),
  ),
})

export function assertTrue({ rows, reservations, ledger }: Tables): void {
  const open = [...reservations.values()].filter(({ state }) => state === 'open').flatMap(({ lines }) => lines)
  for (const [place, row] of rows) {
    const entries = ledger.filter(entry => entry.place === place)
    const promised = open.filter(line => at(line) === place)
    assert.ok(row.onHand >= 0 && row.reserved >= 0, `${place} is below nothing`)
    assert.ok(row.reserved <= row.onHand + row.backorderLimit, `${place} is oversold`)
    assert.equal(row.reserved, sum(promised.map(line => line.quantity - line.committed - line.released)), `${place}: promised`)
    assert.equal(row.onHand, sum(entries.map(entry => entry.onHand)), `${place}: units in the ledger`)
    assert.equal(row.reserved, sum(entries.map(entry => entry.held)), `${place}: promises in the ledger`)
    assert.deepEqual(
      entries.map(entry => entry.version),
      entries.map((_entry, index) => index + 1),
      `${place}: each movement has the next version`,
    )
    assert.equal(row.version, entries.length)
  }
}

const sum = (all: readonly number[]): number => all.reduce((one, other) => one + other, 0)
