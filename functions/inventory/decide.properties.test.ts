import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decideBatch, type Outcome, type Submitted } from './batch.ts'
import { clerk } from './clerk/clerk.ts'
import { actor, batches } from './clerk/days.ts'
import type { Notebook } from './clerk/notebook.ts'
import { assertTrue, isHeld, movesOf, noted, Tables, toldBy } from './clerk/tables.ts'

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
    ...[
      'receive moved',
      'receive capacity_exceeded',
      'sell moved',
      'sell insufficient_stock',
      'adjust moved',
      'adjust insufficient_stock',
      'set version_mismatch',
    ],
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
