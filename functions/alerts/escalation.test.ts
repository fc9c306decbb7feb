import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nextStep, type Plan, type Run, startOf } from './escalation.ts'

const start = new Date('2026-01-01T12:00:00Z')
const at = (minutes: number) => new Date(start.getTime() + minutes * 60_000)
const step = (afterMinutes: number, target: string) => ({ afterMinutes, targets: [target], channels: [] })
const plan: Plan = { steps: [step(15, 'role:buyer'), step(30, 'role:manager')], repeat: 1 }
const fresh: Run = { startedAt: start, taken: 0, lastAt: null }

test('the first step waits for its delay after the alert was told', () => {
  assert.deepEqual(nextStep(plan, fresh, at(14)), { kind: 'wait', until: at(15) })
  assert.deepEqual(nextStep(plan, fresh, at(15)), { kind: 'tell', step: plan.steps[0] })
})

test('a later step waits for its delay after the one before was really taken', () => {
  const late = { ...fresh, taken: 1, lastAt: at(200) }
  assert.deepEqual(nextStep(plan, late, at(201)), { kind: 'wait', until: at(230) })
  assert.deepEqual(nextStep(plan, late, at(230)), { kind: 'tell', step: plan.steps[1] })
})

test('a policy is repeated as often as it says, and then over', () => {
  assert.deepEqual(nextStep(plan, { ...fresh, taken: 2, lastAt: at(50) }, at(65)), { kind: 'tell', step: plan.steps[0] })
  assert.deepEqual(nextStep(plan, { ...fresh, taken: 4, lastAt: at(50) }, at(9_999)), { kind: 'over' })
})

test('a policy that is newer than the telling begins with itself', () => {
  assert.deepEqual([startOf(at(5), at(1)), startOf(at(1), at(5))], [at(5), at(5)])
})

const steps = fc.array(fc.record({ afterMinutes: fc.integer({ min: 1, max: 600 }), target: fc.string() }), {
  minLength: 1,
  maxLength: 6,
})

test('whenever it is asked, each step is told once, in its order, never early, and never more than there are', () => {
  fc.assert(
    fc.property(
      steps,
      fc.nat({ max: 4 }),
      fc.array(fc.integer({ min: 0, max: 900 }), { maxLength: 80 }),
      (given, repeat, pauses) => {
        const policy: Plan = { steps: given.map(({ afterMinutes, target }) => step(afterMinutes, target)), repeat }
        let run = fresh
        let minutes = 0
        for (const pause of pauses) {
          minutes += pause
          const next = nextStep(policy, run, at(minutes))
          if (next.kind === 'over') assert.equal(run.taken, policy.steps.length * (1 + repeat))
          if (next.kind === 'wait') assert.ok(next.until > at(minutes))
          if (next.kind !== 'tell') continue
          assert.equal(next.step, policy.steps[run.taken % policy.steps.length])
          const waited = at(minutes).getTime() - (run.lastAt ?? run.startedAt).getTime()
          assert.ok(waited >= next.step.afterMinutes * 60_000)
          run = { ...run, taken: run.taken + 1, lastAt: at(minutes) }
        }
        assert.ok(run.taken <= policy.steps.length * (1 + repeat))
      },
    ),
  )
})

test('who asks exactly when it says is told then, whatever happened before', () => {
  fc.assert(
    fc.property(steps, fc.nat({ max: 4 }), (given, repeat) => {
      const policy: Plan = { steps: given.map(({ afterMinutes, target }) => step(afterMinutes, target)), repeat }
      let run = fresh
      let now = start
      for (;;) {
        const next = nextStep(policy, run, now)
        if (next.kind === 'over') break
        if (next.kind === 'wait') now = next.until
        else run = { ...run, taken: run.taken + 1, lastAt: now }
      }
      const minutes = given.reduce((sum, { afterMinutes }) => sum + afterMinutes, 0) * (1 + repeat)
      assert.deepEqual([run.taken, now], [given.length * (1 + repeat), at(minutes)])
    }),
  )
})
