import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Answered, decideBatch, type Remembered, refusalIn, type Submitted } from './batch.ts'
import type { Movement, StockCommand } from './decide.ts'
import { emptyRow, outstanding, type Reservation, type StockRow } from './stock.ts'
import { inTransit, type Transfer } from './transfer.ts'

const skus = ['A', 'B', 'C']
const rowKey = ({ sku, location }: { sku: string; location: string }) => `${location} ${sku}`
const start = Date.parse('2026-01-01T00:00:00Z')

/** A command before its reservation's id is known: closings name the n-th reservation that was ever asked for. */
type Plan =
  | {
      kind: 'receive' | 'reserve'
      lines: { sku: string; quantity: number }[]
      ttl: number
      owner: string | undefined
      partial: boolean
    }
  | { kind: 'adjust'; lines: { sku: string; delta: number }[] }
  | { kind: 'set'; sku: string; onHand: number; stale: boolean }
  | {
      kind: 'commit' | 'release' | 'return' | 'expire' | 'extend'
      nth: number
      part: { sku: string; quantity: number } | undefined
    }
  | { kind: 'settings'; sku: string; safetyStock: number; backorderLimit: number; capacity: number | null }
  | { kind: 'transfer'; sku: string; quantity: number }
  | { kind: 'transfer-receive' | 'transfer-cancel'; nth: number; sku: string; part: number | undefined; writeOff: boolean }

const sku = fc.constantFrom(...skus)
const quantity = fc.integer({ min: 1, max: 6 })
const plan: fc.Arbitrary<Plan> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('receive' as const, 'reserve' as const, 'reserve' as const),
      lines: fc.array(fc.record({ sku, quantity }), { minLength: 1, maxLength: 4 }),
      ttl: fc.integer({ min: 1, max: 8 }),
      owner: fc.constantFrom(undefined, undefined, 'Ann', 'Ben'),
      partial: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('adjust' as const),
      lines: fc.array(fc.record({ sku, delta: fc.integer({ min: -5, max: 3 }).filter(delta => delta !== 0) }), {
        minLength: 1,
        maxLength: 3,
      }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('set' as const), sku, onHand: fc.nat({ max: 12 }), stale: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('commit' as const, 'release' as const, 'return' as const, 'expire' as const, 'extend' as const),
      nth: fc.nat({ max: 6 }),
      part: fc.option(fc.record({ sku, quantity: fc.integer({ min: 1, max: 3 }) }), { nil: undefined }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      ...{ kind: fc.constant('settings' as const), sku, safetyStock: fc.nat({ max: 2 }), backorderLimit: fc.nat({ max: 3 }) },
      capacity: fc.constantFrom(null, 5, 9),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('transfer' as const), sku, quantity }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('transfer-receive' as const, 'transfer-receive' as const, 'transfer-cancel' as const),
      ...{
        sku,
        nth: fc.nat({ max: 2 }),
        part: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
        writeOff: fc.boolean(),
      },
    }),
  },
)

interface Step {
  plan: Plan
  /** Repeats the key of an earlier command, or has its own, or none. */
  key: 'none' | 'own' | 'repeated'
}

const batches = fc.array(
  fc.array(fc.record({ plan, key: fc.constantFrom<Step['key']>('none', 'own', 'own', 'repeated') }), {
    minLength: 1,
    maxLength: 8,
  }),
  { maxLength: 10 },
)
const firstRows = fc.tuple(...skus.map(() => fc.record({ safetyStock: fc.nat({ max: 2 }), backorderLimit: fc.nat({ max: 3 }) })))

/** The database as a batch sees and leaves it, with a ledger to compare the totals with. */
class Shelf {
  rows = new Map<string, StockRow>()
  reservations = new Map<string, Reservation>()
  remembered = new Map<string, Remembered>()
  ledger = new Map<string, { onHand: number; reserved: number; versions: number[] }>()
  transfers = new Map<string, Transfer>()
  moved: Movement[] = []
  executed: Submitted[] = []
  asked = 0
  sent = 0

  commandOf(step: Step, now: Date): StockCommand {
    const { plan } = step
    const actor = 'shop'
    switch (plan.kind) {
      case 'receive':
      case 'reserve': {
        const lines = plan.lines.map(line => ({ ...line, location: 'main' }))
        if (plan.kind === 'receive') return { kind: 'receive', lines, reason: 'supplier', actor }
        const expiresAt = new Date(now.getTime() + plan.ttl * 1_000)
        const { owner, partial } = plan
        return { kind: 'reserve', id: `r${this.asked++}`, lines, expiresAt, owner, partial, actor }
      }
      case 'adjust':
        return { kind: 'adjust', lines: plan.lines.map(line => ({ ...line, location: 'main' })), reason: 'count', actor }
      case 'set': {
        const version = this.rows.get(`main ${plan.sku}`)?.version ?? 0
        return {
          kind: 'set',
          sku: plan.sku,
          location: 'main',
          onHand: plan.onHand,
          ifMatch: plan.stale ? version + 1 : version,
          reason: 'count',
          actor,
        }
      }
      case 'extend':
        return { kind: 'extend', id: `r${plan.nth}`, expiresAt: new Date(now.getTime() + 5_000), actor }
      case 'settings':
        return { ...plan, location: 'main', actor }
      case 'transfer':
        return { kind: 'transfer', id: `t${this.sent++}`, source: 'main', destination: 'shop', lines: [plan], actor }
      case 'transfer-receive': {
        const lines = plan.part === undefined ? undefined : [{ sku: plan.sku, quantity: plan.part }]
        return { kind: plan.kind, id: `t${plan.nth}`, lines, writeOff: plan.writeOff ? 'lost' : undefined, actor }
      }
      case 'transfer-cancel':
        return { kind: plan.kind, id: `t${plan.nth}`, actor }
      default:
        return { kind: plan.kind, id: `r${plan.nth}`, lines: plan.part && [{ ...plan.part, location: 'main' }], actor }
    }
  }

  submit(step: Step, now: Date): Submitted {
    const repeated =
      step.key === 'repeated' ? this.executed.find(({ idempotencyKey }) => idempotencyKey !== undefined) : undefined
    const submitted: Submitted = repeated ?? {
      command: this.commandOf(step, now),
      idempotencyKey: step.key === 'none' ? undefined : `key-${this.executed.length}`,
      fingerprint: `body-${this.executed.length}`,
      traceparent: '',
      reply: ({ movements, reservation }) => ({
        status: 200,
        body: JSON.stringify({ moved: movements.length, state: reservation?.state }),
      }),
    }
    this.executed.push(submitted)
    return submitted
  }

  run(batch: Submitted[], now: Date): void {
    const before = new Map(this.rows)
    const loaded = {
      rows: [...this.rows.values()],
      reservations: [...this.reservations.values()],
      transfers: [...this.transfers.values()],
      remembered: [...this.remembered.values()],
    }
    const first = decideBatch(loaded, batch, now)
    const lapsed = [...this.reservations.values()].filter(
      ({ state, expiresAt, lines }) =>
        state === 'open' && expiresAt <= now && first.short.some(one => lines.some(line => line.sku === one.sku)),
    )
    const { writes, outcomes } = lapsed.length > 0 ? decideBatch({ ...loaded, lapsed }, batch, now) : first
    assert.equal(outcomes.length, batch.length, 'each command has its outcome')
    for (const { kind, row, onHandDelta, reservedDelta, submitted } of writes.movements) {
      this.moved.push({ kind, row, onHandDelta, reservedDelta })
      assert.ok(row.onHand >= 0, `on hand ${row.onHand} by ${submitted.command.kind}`)
      assert.ok(row.reserved >= 0 && row.reserved <= row.onHand + row.backorderLimit, `oversold by ${submitted.command.kind}`)
      const entry = this.ledger.get(rowKey(row)) ?? { onHand: 0, reserved: 0, versions: [] }
      entry.onHand += onHandDelta
      entry.reserved += reservedDelta
      entry.versions.push(row.version)
      this.ledger.set(rowKey(row), entry)
      assert.ok(onHandDelta !== 0 || reservedDelta !== 0 || kind === 'settings', 'a movement moves something')
      assert.deepEqual(
        [row.onHand, row.reserved],
        [entry.onHand, entry.reserved],
        'the total after a movement is the sum of the ledger',
      )
    }
    for (const row of writes.rows) this.rows.set(rowKey(row), row)
    for (const { reservation } of writes.opened) this.reservations.set(reservation.id, reservation)
    for (const reservation of writes.changed) this.reservations.set(reservation.id, reservation)
    for (const { transfer } of writes.dispatched) this.transfers.set(transfer.id, transfer)
    for (const transfer of writes.moved) this.transfers.set(transfer.id, transfer)
    for (const answer of writes.remembered) this.remembered.set(answer.key, answer)
    this.checkOutcomes(
      batch,
      outcomes,
      writes.movements.map(({ submitted }) => submitted),
    )
    const touched = new Set(writes.movements.map(({ row }) => rowKey(row)))
    for (const [name, row] of before) if (!touched.has(name)) assert.deepEqual(this.rows.get(name), row)
  }

  checkOutcomes(batch: Submitted[], outcomes: ReturnType<typeof decideBatch>['outcomes'], moved: Submitted[]): void {
    batch.forEach((submitted, index) => {
      const outcome = outcomes[index] as (typeof outcomes)[number]
      const answer: Answered | undefined = 'answer' in outcome ? outcome.answer : undefined
      const refused = answer === undefined || refusalIn(answer) !== undefined
      const first = batch.indexOf(submitted) === index
      if (refused && first) assert.equal(moved.includes(submitted), false, 'a refused command moves nothing')
      if (answer && submitted.idempotencyKey !== undefined) {
        assert.equal(answer.body, this.remembered.get(submitted.idempotencyKey)?.response, 'a key has one answer for ever')
        if (!first) assert.equal(answer.replayed, true)
      }
    })
  }

  /** What reconciliation proves in the database. */
  reconcile(): void {
    for (const [name, row] of this.rows) {
      const open = [...this.reservations.values()]
        .filter(({ state }) => state === 'open')
        .flatMap(({ lines }) => lines.filter(line => rowKey(line) === name))
        .reduce((sum, line) => sum + outstanding(line), 0)
      assert.equal(row.reserved, open, `${name}: reserved is the sum of the open reservations`)
      const versions = this.ledger.get(name)?.versions ?? []
      assert.deepEqual(
        versions,
        versions.map((_, index) => index + 1),
        `${name}: versions count up by one`,
      )
      assert.equal(row.version, versions.length)
    }
    for (const { state, lines } of this.reservations.values()) {
      const held = lines.map(outstanding)
      assert.ok(
        held.every(units => units >= 0) && held.some(units => units > 0) === (state === 'open'),
        'open while units are held',
      )
      assert.ok(lines.every(line => line.returned <= line.committed))
    }
    for (const sku of skus) {
      const lines = [...this.transfers.values()].flatMap(transfer => transfer.lines.filter(line => line.sku === sku))
      const gone = lines.reduce((sum, line) => sum + inTransit(line) + line.writtenOff, 0)
      assert.equal(this.carried(sku) + gone, 0, `${sku}: what left is on the way, was written off or has arrived`)
    }
  }

  /** Units that transfers have brought, less those that they took. */
  carried(sku: string): number {
    return this.moved
      .filter(({ row, kind }) => row.sku === sku && kind.startsWith('transfer'))
      .reduce((sum, one) => sum + one.onHandDelta, 0)
  }
}

test('whatever is asked in whatever order, no promise is broken and the books balance', () => {
  fc.assert(
    fc.property(firstRows, batches, (limits, all) => {
      const shelf = new Shelf()
      for (const [index, name] of skus.entries()) shelf.rows.set(`main ${name}`, { ...emptyRow(name, 'main'), ...limits[index] })
      let now = start
      for (const steps of all) {
        now += 2_000
        const at = new Date(now)
        shelf.run(
          steps.map(step => shelf.submit(step, at)),
          at,
        )
        shelf.reconcile()
      }
    }),
    { numRuns: 1_000 },
  )
})

test('a batch decides as its commands would one after the other', () => {
  fc.assert(
    fc.property(fc.array(plan, { minLength: 1, maxLength: 12 }), plans => {
      const together = new Shelf()
      const alone = new Shelf()
      for (const shelf of [together, alone])
        for (const name of skus) shelf.rows.set(`main ${name}`, { ...emptyRow(name, 'main'), onHand: 0 })
      const at = new Date(start)
      const steps = plans.filter(({ kind }) => kind !== 'set').map((one): Step => ({ plan: one, key: 'own' }))
      together.run(
        steps.map(step => together.submit(step, at)),
        at,
      )
      for (const step of steps) alone.run([alone.submit(step, at)], at)
      assert.deepEqual(together.rows, alone.rows)
      assert.deepEqual(together.reservations, alone.reservations)
      assert.deepEqual([...together.remembered.values()], [...alone.remembered.values()])
    }),
    { numRuns: 300 },
  )
})

test('a key that comes with another request is refused and changes nothing', () => {
  const receive = (fingerprint: string): Submitted => ({
    command: { kind: 'receive', lines: [{ sku: 'A', location: 'main', quantity: 1 }], reason: 'supplier', actor: 'x' },
    ...{ idempotencyKey: 'k', fingerprint, traceparent: '', reply: () => ({ status: 201, body: '{}' }) },
  })
  const { outcomes, writes } = decideBatch(
    { rows: [], reservations: [], remembered: [] },
    [receive('a'), receive('b'), receive('a')],
    new Date(),
  )
  assert.equal(writes.movements.length, 1)
  assert.deepEqual(outcomes[0], { answer: { status: 201, body: '{}' } })
  assert.equal((outcomes[1] as { error: { code: string } }).error.code, 'idempotency_key_reused')
  assert.deepEqual(outcomes[2], { answer: { status: 201, body: '{}', replayed: true } })
})
