import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Rejected } from '../../shared/errors.ts'
import { decideBatch, type Loaded, type Outcome, type Remembered, refusalIn, type Submitted, type Writes } from './batch.ts'
import type { StockCommand } from './decide.ts'
import type { Reservation, StockRow } from './stock.ts'
import type { Transfer } from './transfer.ts'

// The rule once more, as a clerk with a notebook would follow it: what is copied can be spoilt, so a refusal needs no undoing.

interface Shelf {
  onHand: number
  held: number
  safety: number
  backorder: number
  room: number | null
  version: number
}
interface Hold {
  state: string
  owner: string | undefined
  until: number
  lines: Map<string, { asked: number; gone: number; given: number; back: number }>
}
interface Journey {
  state: string
  from: string
  to: string
  lines: Map<string, { sent: number; arrived: number; lost: number; home: number }>
}
interface Notebook {
  shelves: Map<string, Shelf>
  holds: Map<string, Hold>
  journeys: Map<string, Journey>
}

class No extends Error {
  readonly code: string
  readonly short: readonly string[]
  constructor(code: string, short: readonly string[] = []) {
    super(code)
    this.code = code
    this.short = short
  }
}

const locations = ['main', 'east']
const at = (line: { sku: string; location?: string | undefined }) => `${line.sku}@${line.location ?? ''}`
const skuOf = (place: string) => place.slice(0, place.indexOf('@'))
const bare = (): Shelf => ({ onHand: 0, held: 0, safety: 0, backorder: 0, room: null, version: 0 })
const shelfOf = (book: Notebook, place: string): Shelf => book.shelves.get(place) ?? bare()

function tally<T>(lines: readonly T[], place: (line: T) => string, amount: (line: T) => number): Map<string, number> {
  const sums = new Map<string, number>()
  for (const line of lines) sums.set(place(line), (sums.get(place(line)) ?? 0) + amount(line))
  return sums
}

function refuse(code: string, places: Iterable<string>): void {
  const all = [...places]
  if (all.length > 0) throw new No(code, all)
}

const where = (sums: Map<string, number>, isBad: (place: string, amount: number) => boolean): string[] =>
  [...sums].filter(([place, amount]) => isBad(place, amount)).map(([place]) => place)

/** Changes the notebook as the command wants it. @returns what moved, and places of which a part could not be taken */
function follow(book: Notebook, command: StockCommand, now: number): { moves: string[]; short: string[] } {
  const moves: string[] = []
  const short: string[] = []
  const move = (kind: string, place: string, onHand: number, held: number) => {
    const shelf = shelfOf(book, place)
    shelf.onHand += onHand
    shelf.held += held
    shelf.version += 1
    book.shelves.set(place, shelf)
    moves.push(`${kind} ${place} ${onHand} ${held}`)
  }
  const free = (place: string) => {
    const { onHand, held, backorder } = shelfOf(book, place)
    return Math.min(onHand, onHand + backorder - held)
  }
  const isOverfull = (place: string, units: number) => {
    const { room, onHand } = shelfOf(book, place)
    return room !== null && onHand + units > room
  }
  const end = (hold: Hold, state: string) => {
    const isOver = [...hold.lines.values()].every(line => line.gone + line.given === line.asked)
    hold.state = isOver ? state : 'open'
  }
  const expire = (hold: Hold, kind: string, isWanted: (place: string) => boolean) => {
    for (const [place, line] of hold.lines) {
      const left = line.asked - line.gone - line.given
      if (left === 0 || !isWanted(place)) continue
      line.given += left
      move(kind, place, 0, -left)
    }
    end(hold, kind === 'expire' ? 'expired' : 'released')
  }

  switch (command.kind) {
    case 'receive': {
      const sums = tally(command.lines, at, line => line.quantity)
      refuse('capacity_exceeded', where(sums, isOverfull))
      for (const [place, units] of sums) move('receive', place, units, 0)
      break
    }
    case 'adjust':
    case 'count': {
      const sums = tally(command.lines, at, line => line.delta)
      refuse(
        'insufficient_stock',
        where(sums, (place, delta) => delta < 0 && -delta > free(place)),
      )
      for (const [place, delta] of sums) if (delta !== 0) move(command.kind, place, delta, 0)
      break
    }
    case 'set': {
      const shelf = shelfOf(book, at(command))
      if (shelf.version !== command.ifMatch) throw new No('version_mismatch')
      const delta = command.onHand - shelf.onHand
      if (delta < 0 && -delta > free(at(command))) throw new No('insufficient_stock', [at(command)])
      if (delta !== 0) move('set', at(command), delta, 0)
      break
    }
    case 'settings': {
      const shelf = shelfOf(book, at(command))
      const { safetyStock: safety, backorderLimit: backorder, capacity: room } = command
      if (shelf.safety === safety && shelf.backorder === backorder && shelf.room === room) break
      if (shelf.held > shelf.onHand + backorder) throw new No('limit_in_use')
      move('settings', at(command), 0, 0)
      Object.assign(book.shelves.get(at(command)) as Shelf, { safety, backorder, room })
      break
    }
    case 'reserve': {
      const skus = new Set(command.lines.map(line => line.sku))
      for (const hold of command.owner === undefined ? [] : book.holds.values()) {
        if (hold.state !== 'open' || hold.owner !== command.owner) continue
        expire(hold, hold.until <= now ? 'expire' : 'release', place => skus.has(skuOf(place)))
      }
      const taken = new Map<string, number>()
      const take = (place: string, units: number) => {
        if (units <= 0) return 0
        move('reserve', place, 0, units)
        taken.set(place, (taken.get(place) ?? 0) + units)
        return units
      }
      const left = (place: string, hasBackorder: boolean) => {
        const { onHand, held, safety, backorder } = shelfOf(book, place)
        return Math.max(onHand - held - safety + (hasBackorder ? backorder : 0), 0)
      }
      const named = command.lines.filter(line => line.location !== undefined)
      for (const [place, units] of tally(named, at, line => line.quantity)) {
        if (take(place, Math.min(units, left(place, true))) < units) short.push(place)
      }
      const wanted = tally(
        command.lines.filter(line => line.location === undefined),
        line => line.sku,
        line => line.quantity,
      )
      const total = (sku: string) => locations.reduce((sum, location) => sum + left(`${sku}@${location}`, false), 0)
      const needsBackorder = [...wanted].some(([sku, units]) => units > total(sku))
      for (const [sku, units] of wanted) {
        let open = units
        for (const location of locations) {
          const place = `${sku}@${location}`
          open -= take(place, Math.min(open, left(place, needsBackorder)))
        }
        if (open > 0) short.push(`${sku}@`)
      }
      if (short.length > 0 && (!command.partial || taken.size === 0)) throw new No('insufficient_stock', short)
      const lines = new Map([...taken].map(([place, asked]) => [place, { asked, gone: 0, given: 0, back: 0 }]))
      book.holds.set(command.id, { state: 'open', owner: command.owner, until: command.expiresAt.getTime(), lines })
      break
    }
    case 'extend': {
      const hold = book.holds.get(command.id)
      if (!hold) throw new No('not_found')
      if (hold.state === 'expired' || (hold.state === 'open' && hold.until <= now)) throw new No('reservation_expired')
      if (hold.state !== 'open') throw new No('reservation_not_open')
      hold.until = Math.max(hold.until, command.expiresAt.getTime())
      break
    }
    case 'commit':
    case 'release':
    case 'return': {
      const { kind } = command
      const hold = book.holds.get(command.id)
      if (!hold) throw new No('not_found')
      const isDone = hold.state === { commit: 'committed', release: 'released', return: 'returned' }[kind]
      if (isDone && command.lines === undefined) break
      const isLate = hold.state === 'expired' || (hold.state === 'open' && hold.until <= now)
      if (kind === 'commit' && isLate) throw new No('reservation_expired')
      if (kind === 'release' && hold.state === 'expired') break
      if (kind !== 'return' && hold.state !== 'open') throw new No('reservation_not_open')
      const left = (place: string) => {
        const line = hold.lines.get(place)
        if (!line) return 0
        return kind === 'return' ? line.gone - line.back : line.asked - line.gone - line.given
      }
      const sums = command.lines
        ? tally(command.lines, at, line => line.quantity)
        : new Map([...hold.lines.keys()].map(place => [place, left(place)] as const).filter(([, units]) => units > 0))
      refuse(
        'exceeds_outstanding',
        where(sums, (place, units) => units > left(place)),
      )
      if (kind === 'return' && sums.size === 0) throw new No('reservation_not_open')
      if (kind === 'commit') {
        refuse(
          'insufficient_stock',
          where(sums, (place, units) => units > shelfOf(book, place).onHand),
        )
      }
      for (const [place, units] of sums) {
        const line = hold.lines.get(place) as { gone: number; given: number; back: number }
        line[kind === 'commit' ? 'gone' : kind === 'release' ? 'given' : 'back'] += units
        move(kind, place, kind === 'commit' ? -units : kind === 'return' ? units : 0, kind === 'return' ? 0 : -units)
      }
      if (kind !== 'return') end(hold, kind === 'commit' ? 'committed' : 'released')
      else if (hold.state !== 'open' && [...hold.lines.values()].every(line => line.gone === line.back)) hold.state = 'returned'
      break
    }
    case 'expire': {
      const hold = book.holds.get(command.id)
      if (!hold) throw new No('not_found')
      if (hold.state === 'open' && hold.until <= now) expire(hold, 'expire', () => true)
      break
    }
    case 'transfer': {
      const sums = tally(
        command.lines,
        line => line.sku,
        line => line.quantity,
      )
      const from = (sku: string) => `${sku}@${command.source}`
      refuse('insufficient_stock', where(sums, (sku, units) => units > free(from(sku))).map(from))
      for (const [sku, units] of sums) move('transfer', from(sku), -units, 0)
      const lines = new Map([...sums].map(([sku, sent]) => [sku, { sent, arrived: 0, lost: 0, home: 0 }]))
      book.journeys.set(command.id, { state: 'in_transit', from: command.source, to: command.destination, lines })
      break
    }
    case 'transfer-receive': {
      const journey = book.journeys.get(command.id)
      if (!journey) throw new No('not_found')
      if (journey.state === 'received' && command.lines === undefined) break
      if (journey.state !== 'in_transit') throw new No('transfer_not_in_transit')
      const onTheWay = (sku: string) => {
        const line = journey.lines.get(sku)
        return line ? line.sent - line.arrived - line.lost : 0
      }
      const sums = tally(
        command.lines ?? [...journey.lines.keys()].map(sku => ({ sku, quantity: onTheWay(sku) })),
        line => line.sku,
        line => line.quantity,
      )
      const to = (sku: string) => `${sku}@${journey.to}`
      refuse(
        'exceeds_outstanding',
        where(sums, (sku, units) => units > onTheWay(sku)),
      )
      refuse(
        'capacity_exceeded',
        where(sums, (sku, units) => units > 0 && isOverfull(to(sku), units)),
      )
      for (const [sku, units] of sums) {
        const line = journey.lines.get(sku) as { arrived: number }
        line.arrived += units
        if (units > 0) move('transfer-receive', to(sku), units, 0)
      }
      for (const line of journey.lines.values()) if (command.writeOff !== undefined) line.lost = line.sent - line.arrived
      if ([...journey.lines.keys()].every(sku => onTheWay(sku) === 0)) journey.state = 'received'
      break
    }
    case 'transfer-cancel': {
      const journey = book.journeys.get(command.id)
      if (!journey) throw new No('not_found')
      if (journey.state === 'cancelled') break
      if (journey.state !== 'in_transit') throw new No('transfer_not_in_transit')
      for (const [sku, line] of journey.lines) {
        line.home = line.sent - line.arrived - line.lost
        if (line.home > 0) move('transfer-cancel', `${sku}@${journey.from}`, line.home, 0)
      }
      journey.state = 'cancelled'
      break
    }
    default:
      throw new Error(`the clerk does not know ${command.kind}`)
  }
  return { moves, short }
}

/** Each command on a copy: of a refused one nothing is left. */
function clerk(book: Notebook, commands: readonly StockCommand[], now: number) {
  let current = book
  const short: string[] = []
  const outcomes = commands.map(command => {
    const copy = structuredClone(current)
    try {
      const done = follow(copy, command, now)
      short.push(...done.short)
      current = copy
      return { moves: done.moves }
    } catch (error) {
      if (!(error instanceof No)) throw error
      if (error.code === 'insufficient_stock') short.push(...error.short)
      return { code: error.code }
    }
  })
  return { book: current, outcomes, short }
}

// What the database does with a batch.

class Tables {
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

const isHeld = (reservation: Reservation, short: readonly string[]) =>
  reservation.lines.some(
    line => line.quantity > line.committed + line.released && short.some(place => place === `${line.sku}@` || place === at(line)),
  )

const toldBy = (outcome: Outcome): { code: string } | { body: string } => {
  const error = 'error' in outcome ? outcome.error : refusalIn(outcome.answer)
  if (error instanceof Rejected) return { code: error.code }
  if (error !== undefined) throw error
  return { body: (outcome as { answer: { body: string } }).answer.body }
}

function movesOf(writes: Writes, submitted: Submitted | undefined, batch: readonly Submitted[]): string[] {
  return writes.movements
    .filter(one => (submitted ? one.submitted === submitted : !batch.includes(one.submitted)))
    .map(({ kind, row, onHandDelta, reservedDelta }) => `${kind} ${at(row)} ${onHandDelta} ${reservedDelta}`)
    .sort()
}

/** What stands in the tables, in the clerk's words. */
const noted = ({ rows, reservations, transfers }: Tables): Notebook => ({
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

function assertTrue({ rows, reservations, ledger }: Tables): void {
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

// Days of a warehouse.

type Step = (books: { nth: number; tables: Tables; now: number }) => StockCommand
const sku = fc.constantFrom('A', 'B')
const place = fc.record({ sku, location: fc.constantFrom(...locations) })
const units = fc.integer({ min: 1, max: 5 })
const line = fc.tuple(place, units).map(([one, quantity]) => ({ ...one, quantity }))
const some = <T>(one: fc.Arbitrary<T>) => fc.array(one, { minLength: 1, maxLength: 3 })
const actor = 'shop'

const moving: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: some(line).map(lines => () => ({ kind: 'receive', lines, reason: 'delivery', actor }) as const) },
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
const batches = fc.array(
  fc.record({
    seconds: fc.nat({ max: 3 }),
    steps: fc.array(fc.record({ step, hasKey: fc.boolean() }), { minLength: 1, maxLength: 4 }),
    /** An earlier command with its key again: as it was, or as another command under that key. */
    again: fc.option(fc.record({ back: fc.nat({ max: 6 }), isOther: fc.boolean() }), { nil: undefined, freq: 2 }),
  }),
  { minLength: 8, maxLength: 25, size: 'max' },
)

const seen = new Map<string, number>()
const see = (what: string) => seen.set(what, (seen.get(what) ?? 0) + 1)

test('whatever is asked for in whatever order, stock is what a clerk with a notebook would have', () => {
  fc.assert(
    fc.property(batches, days => {
      const tables = new Tables()
      const keyed: { submitted: Submitted; told: ReturnType<typeof toldBy> }[] = []
      let book: Notebook = { shelves: new Map(), holds: new Map(), journeys: new Map() }
      let now = Date.parse('2026-01-01T00:00:00Z')
      let nth = 0
      for (const { seconds, steps, again } of days) {
        now += seconds * 1_000
        const batch = steps.map(({ step: make, hasKey }): Submitted => {
          const key = `k${nth}`
          return {
            ...{ command: make({ nth: nth++, tables, now }), traceparent: '', fingerprint: key },
            ...(hasKey && { idempotencyKey: key }),
            reply: ({ reservation, missing }) => ({ status: 200, body: JSON.stringify({ reservation, missing }) }),
          }
        })
        const before = again && keyed.at(-1 - again.back)
        const repeated = before && { ...before.submitted, ...(again.isOther && { fingerprint: 'other' }) }
        const all = repeated ? [...batch, repeated] : batch

        const commands = batch.map(({ command }) => command)
        let expected = clerk(book, commands, now)
        const lapsed = [...tables.reservations.values()].filter(
          one => one.state === 'open' && one.expiresAt.getTime() <= now && isHeld(one, expected.short),
        )
        const gaveWay = lapsed.map(({ id }) => ({ kind: 'expire', id, actor }) as const)
        const swept = clerk(book, gaveWay, now)
        if (lapsed.length > 0) expected = clerk(swept.book, commands, now)
        book = expected.book

        const decided = decideBatch(tables.loaded(['A', 'B'], lapsed), all, new Date(now))
        tables.write(decided.writes)

        for (const [index, submitted] of batch.entries()) {
          const told = toldBy(decided.outcomes[index] as Outcome)
          const wanted: { moves?: string[]; code?: string } = expected.outcomes[index] ?? {}
          const { kind } = submitted.command
          assert.deepEqual('code' in told ? told.code : 'done', wanted.code ?? 'done', JSON.stringify(submitted))
          const moves = wanted.moves ?? []
          assert.deepEqual(movesOf(decided.writes, submitted, batch), [...moves].sort(), JSON.stringify(submitted))
          see(`${kind} ${'code' in told ? told.code : moves.length > 0 ? 'moved' : 'unmoved'}`)
          if (submitted.idempotencyKey !== undefined) keyed.push({ submitted, told })
        }
        const givenWay = lapsed.length > 0 ? swept.outcomes.flatMap(one => ('moves' in one ? (one.moves ?? []) : [])) : []
        assert.deepEqual(movesOf(decided.writes, undefined, all), givenWay.sort(), 'what lapsed')
        if (givenWay.length > 0) see('lapsed')
        if (repeated && before) {
          const outcome = decided.outcomes.at(-1) as Outcome
          assert.deepEqual(toldBy(outcome), again.isOther ? { code: 'idempotency_key_reused' } : before.told)
          assert.deepEqual(movesOf(decided.writes, repeated, all), [])
          assert.equal('answer' in outcome && outcome.answer.replayed, !again.isOther)
          see(again.isOther ? 'key reused' : 'repeated')
        }
        assert.deepEqual(noted(tables), book)
        assertTrue(tables)
      }
    }),
    { numRuns: 300 },
  )

  // Days in which nothing happens would prove nothing.
  const often = [
    ...['receive moved', 'receive capacity_exceeded', 'adjust moved', 'adjust insufficient_stock', 'set version_mismatch'],
    ...['settings moved', 'reserve moved', 'reserve insufficient_stock', 'extend unmoved'],
    ...['commit moved', 'commit reservation_expired', 'commit exceeds_outstanding', 'commit not_found', 'release moved'],
    ...['return moved', 'return reservation_not_open', 'expire moved', 'transfer moved', 'transfer-receive moved'],
    ...['transfer-cancel moved', 'lapsed', 'repeated', 'key reused'],
  ]
  assert.deepEqual(
    often.filter(what => (seen.get(what) ?? 0) === 0),
    [],
    JSON.stringify(Object.fromEntries(seen), null, 1),
  )
})
