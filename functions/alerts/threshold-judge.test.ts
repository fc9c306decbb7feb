import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isWorse, type Severity, type Standing, severityOf, type Threshold } from './alert.ts'
import { judgeInTime, type Past, type Timing } from './threshold-judge.ts'

const start = new Date('2026-01-01T00:00:00Z').getTime()
const at = (seconds: number) => new Date(start + seconds * 1_000)
const stock = (available: number) => ({ sku: 'A', location: 'main', available, version: 1 })
const threshold: Threshold = { level: 10, criticalLevel: 4, resolveAbove: 12 }
const atOnce: Timing = { forSeconds: 0, dedupSeconds: 0 }
const fresh: Past = { standing: undefined, breachedSince: undefined, lastResolved: undefined }
const low: Standing = { id: 'alert', state: 'open', severity: 'low' }

test('a breach that must last is an alert when it has, and is forgotten when it recovers before', () => {
  const lasting = { forSeconds: 60, dedupSeconds: 0 }
  const first = judgeInTime(stock(9), threshold, lasting, fresh, at(0))
  assert.deepEqual(first, { verdict: 'wait', waiting: { since: at(0), dueAt: at(60) } })
  const past = { ...fresh, breachedSince: at(0) }
  assert.deepEqual(judgeInTime(stock(0), threshold, lasting, past, at(59)).waiting, { since: at(0), dueAt: at(60) })
  assert.deepEqual(judgeInTime(stock(9), threshold, lasting, past, at(60)), { verdict: 'raise' })
  assert.deepEqual(judgeInTime(stock(11), threshold, lasting, past, at(60)), { verdict: 'nothing' })
  const standing = { ...fresh, standing: low }
  assert.deepEqual(judgeInTime(stock(0), threshold, lasting, standing, at(1)), { verdict: 'worsen' }, 'worse waits for nothing')
})

test('soon after an alert was resolved only a worse one is raised, and the same when the window is over', () => {
  const quiet = { forSeconds: 0, dedupSeconds: 600 }
  const past = { ...fresh, lastResolved: { at: at(0), severity: 'low' as const } }
  const verdicts = (seconds: number) =>
    [9, 4, 0].map(available => judgeInTime(stock(available), threshold, quiet, past, at(seconds)).verdict)
  assert.deepEqual(verdicts(599), ['wait', 'raise', 'raise'])
  assert.deepEqual(verdicts(600), ['raise', 'raise', 'raise'])
  assert.deepEqual(judgeInTime(stock(9), threshold, quiet, past, at(5)).waiting?.dueAt, at(600))
  assert.equal(judgeInTime(stock(9), threshold, atOnce, past, at(1)).verdict, 'raise')
})

/** A shop keeper who does it by hand: one slip a place, at most. */
class ShopKeeper {
  slip: { severity: Severity; resolvedByHand: boolean } | undefined
  lowSince: number | undefined
  lastSlip: { at: number; severity: Severity } | undefined
  readonly said: string[] = []

  look(available: number, { forSeconds, dedupSeconds }: Timing, now: number): void {
    const severity = severityOf(available, threshold)
    if (this.slip) {
      if (available > threshold.resolveAbove) {
        if (!this.slip.resolvedByHand) this.said.push(`${now} resolve`)
        if (!this.slip.resolvedByHand) this.lastSlip = { at: now, severity: this.slip.severity }
        this.slip = undefined
      } else if (available <= threshold.level && isWorse(severity, this.slip.severity)) {
        this.said.push(`${now} ${this.slip.resolvedByHand ? 'raise' : 'worsen'} ${severity}`)
        this.slip = { severity, resolvedByHand: false }
      }
      return
    }
    if (available > threshold.level) {
      this.lowSince = undefined
      return
    }
    this.lowSince ??= now
    if (now < this.lowSince + forSeconds) return
    const isRepeat = this.lastSlip && now < this.lastSlip.at + dedupSeconds && !isWorse(severity, this.lastSlip.severity)
    if (isRepeat) return
    this.said.push(`${now} raise ${severity}`)
    this.slip = { severity, resolvedByHand: false }
    this.lowSince = undefined
  }

  resolveByHand(now: number): void {
    if (!this.slip || this.slip.resolvedByHand) return
    this.slip.resolvedByHand = true
    this.lastSlip = { at: now, severity: this.slip.severity }
  }
}

const steps = fc.array(
  fc.record({ available: fc.integer({ min: -3, max: 16 }), seconds: fc.integer({ min: 1, max: 90 }), byHand: fc.boolean() }),
  { maxLength: 60 },
)
const timings = fc.record({ forSeconds: fc.constantFrom(0, 30, 120), dedupSeconds: fc.constantFrom(0, 60, 300) })

interface Told {
  readonly verdict: string
  readonly available: number
  readonly severity: Severity
  readonly now: number
}

/** What is said of a place through time, with what is remembered from one look to the next as the database does. */
function told(
  looks: readonly { available: number; seconds: number; byHand: boolean }[],
  timing: Timing,
  keeper?: ShopKeeper,
): Told[] {
  let past: Past = fresh
  let now = 0
  let raisedAt = { at: 0, severity: 'low' as Severity }
  const said: Told[] = []
  for (const { available, seconds, byHand } of looks) {
    now += seconds
    keeper?.look(available, timing, now)
    const { verdict, waiting } = judgeInTime(stock(available), threshold, timing, past, at(now))
    const severity = severityOf(available, threshold)
    let { standing, lastResolved } = past
    if (verdict === 'resolve' && standing) lastResolved = { at: at(now), severity: standing.severity }
    if (verdict === 'settle' && standing) lastResolved = { at: at(raisedAt.at), severity: standing.severity }
    if (verdict === 'raise' || verdict === 'worsen') standing = { id: `${now}`, state: 'open', severity }
    if (verdict === 'resolve' || verdict === 'settle') standing = undefined
    if (['raise', 'worsen', 'resolve'].includes(verdict)) said.push({ verdict, available, severity, now })
    if (byHand && standing && standing.state !== 'resolved') {
      standing = { ...standing, state: 'resolved' }
      raisedAt = { at: now, severity: standing.severity }
      said.push({ verdict: 'by hand', available, severity, now })
    }
    if (byHand) keeper?.resolveByHand(now)
    past = { standing, breachedSince: waiting?.since, lastResolved }
  }
  return said
}

test('whatever the stock does, there are no two alerts without a recovery or a worse state between them, and none above its level', () => {
  fc.assert(
    fc.property(steps, timings, (looks, timing) => {
      let standing: Severity | undefined
      for (const { verdict, available, severity } of told(
        looks.map(one => ({ ...one, byHand: false })),
        timing,
      )) {
        if (verdict === 'raise') {
          assert.equal(standing, undefined, 'a false repeat')
          assert.ok(available <= threshold.level)
          standing = severity
        } else if (verdict === 'worsen') {
          assert.ok(standing && isWorse(severity, standing))
          standing = severity
        } else {
          assert.ok(standing && available > threshold.resolveAbove)
          standing = undefined
        }
      }
    }),
    { numRuns: 500 },
  )
})

test('what is told is what a shop keeper with one slip of paper a place would tell, whoever resolves what by hand', () => {
  fc.assert(
    fc.property(steps, timings, (looks, timing) => {
      const keeper = new ShopKeeper()
      const said = told(looks, timing, keeper).filter(({ verdict }) => verdict !== 'by hand')
      assert.deepEqual(
        said.map(({ verdict, severity, now }) => (verdict === 'resolve' ? `${now} resolve` : `${now} ${verdict} ${severity}`)),
        keeper.said,
      )
    }),
    { numRuns: 500 },
  )
})

test('within the window after its end nothing that is not worse is told again', () => {
  fc.assert(
    fc.property(steps, looks => {
      const timing = { forSeconds: 0, dedupSeconds: 300 }
      let last: { at: number; severity: Severity } | undefined
      let worst: Severity = 'low'
      for (const { verdict, severity, now } of told(
        looks.map(one => ({ ...one, byHand: false })),
        timing,
      )) {
        if (verdict === 'raise' && last) assert.ok(now >= last.at + 300 || isWorse(severity, last.severity))
        if (verdict === 'resolve') last = { at: now, severity: worst }
        else worst = severity
      }
    }),
    { numRuns: 500 },
  )
})
