import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Answered, decideBatch, type Remembered, refusalIn, type Submitted } from './batch.ts'
import type { StockCommand } from './decide.ts'
import { emptyRow, type Reservation, type StockRow } from './stock.ts'

const skus = ['A', 'B', 'C']
const start = Date.parse('2026-01-01T00:00:00Z')

/** A command before its reservation's id is known: closings name the n-th reservation that was ever asked for. */
type Plan =
  | { kind: 'receive' | 'reserve'; lines: { sku: string; quantity: number }[]; ttl: number }
  | { kind: 'adjust'; lines: { sku: string; delta: number }[] }
  | { kind: 'set'; sku: string; onHand: number; stale: boolean }
  | { kind: 'commit' | 'release' | 'return' | 'expire'; nth: number }

const sku = fc.constantFrom(...skus)
const quantity = fc.integer({ min: 1, max: 6 })
const plan: fc.Arbitrary<Plan> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom('receive' as const, 'reserve' as const, 'reserve' as const),
      lines: fc.array(fc.record({ sku, quantity }), { minLength: 1, maxLength: 4 }),
      ttl: fc.integer({ min: 1, max: 8 }),
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
      kind: fc.constantFrom('commit' as const, 'release' as const, 'return' as const, 'expire' as const),
      nth: fc.nat({ max: 6 }),
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
  executed: Submitted[] = []
  asked = 0

  commandOf(step: Step, now: Date): StockCommand {
    const { plan } = step
    const actor = 'shop'
    switch (plan.kind) {
      case 'receive':
      case 'reserve': {
        const lines = plan.lines.map(line => ({ ...line, location: 'main' }))
        if (plan.kind === 'receive') return { kind: 'receive', lines, reason: 'supplier', actor }
        return { kind: 'reserve', id: `r${this.asked++}`, lines, expiresAt: new Date(now.getTime() + plan.ttl * 1_000), actor }
      }
      case 'adjust':
        return { kind: 'adjust', lines: plan.lines.map(line => ({ ...line, location: 'main' })), reason: 'count', actor }
      case 'set': {
        const version = this.rows.get(plan.sku)?.version ?? 0
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
      default:
        return { kind: plan.kind, id: `r${plan.nth}`, actor }
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
      remembered: [...this.remembered.values()],
    }
    const { writes, outcomes } = decideBatch(loaded, batch, now)
    assert.equal(outcomes.length, batch.length, 'each command has its outcome')
    for (const { row, onHandDelta, reservedDelta, submitted } of writes.movements) {
      assert.ok(row.onHand >= 0, `on hand ${row.onHand} by ${submitted.command.kind}`)
      assert.ok(row.reserved >= 0 && row.reserved <= row.onHand + row.backorderLimit, `oversold by ${submitted.command.kind}`)
      const entry = this.ledger.get(row.sku) ?? { onHand: 0, reserved: 0, versions: [] }
      entry.onHand += onHandDelta
      entry.reserved += reservedDelta
      entry.versions.push(row.version)
      this.ledger.set(row.sku, entry)
      assert.ok(onHandDelta !== 0 || reservedDelta !== 0, 'a movement moves something')
      assert.deepEqual(
        [row.onHand, row.reserved],
        [entry.onHand, entry.reserved],
        'the total after a movement is the sum of the ledger',
      )
    }
    for (const row of writes.rows) this.rows.set(row.sku, row)
    for (const { reservation } of writes.opened) this.reservations.set(reservation.id, reservation)
    for (const reservation of writes.closed) this.reservations.set(reservation.id, reservation)
    for (const answer of writes.remembered) this.remembered.set(answer.key, answer)
    this.checkOutcomes(
      batch,
      outcomes,
      writes.movements.map(({ submitted }) => submitted),
    )
    const touched = new Set(writes.movements.map(({ row }) => row.sku))
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
        .flatMap(({ lines }) => lines.filter(line => line.sku === name))
        .reduce((sum, line) => sum + line.quantity, 0)
      assert.equal(row.reserved, open, `${name}: reserved is the sum of the open reservations`)
      const versions = this.ledger.get(name)?.versions ?? []
      assert.deepEqual(
        versions,
        versions.map((_, index) => index + 1),
        `${name}: versions count up by one`,
      )
      assert.equal(row.version, versions.length)
    }
  }
}

test('whatever is asked in whatever order, no promise is broken and the books balance', () => {
  fc.assert(
    fc.property(firstRows, batches, (limits, all) => {
      const shelf = new Shelf()
      for (const [index, name] of skus.entries()) shelf.rows.set(name, { ...emptyRow(name, 'main'), ...limits[index] })
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
        for (const name of skus) shelf.rows.set(name, { ...emptyRow(name, 'main'), onHand: 0 })
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
