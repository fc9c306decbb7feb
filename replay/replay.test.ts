import assert from 'node:assert/strict'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Surroundings, Unreachable } from './calls.ts'
import type { ReplayOptions } from './options.ts'
import { type Fault, pretendTidemark } from './pretend-tidemark.ts'
import { replay } from './replay.ts'
import { allHold, type Report } from './report.ts'
import { summaryText } from './summary.ts'

const runsDirectory = mkdtempSync(join(tmpdir(), 'replay-'))
after(() => rm(runsDirectory, { recursive: true }))

let runs = 0
function options(url: string, more: Partial<ReplayOptions> = {}): ReplayOptions {
  runs += 1
  return {
    ...{ file: fileURLToPath(new URL('sample.csv', import.meta.url)), url, tokenUrl: `${url}/oauth/token` },
    ...{ clientId: 'retailer', clientSecret: 'secret', run: `test-${runs}`, concurrency: 16 },
    ...{ patienceMs: 120_000, deadlineMs: 2_000, settleMs: 60_000, runsDirectory },
    ...more,
  }
}

/** No test waits: pauses are noted, and the clock jumps over them. */
function hurried() {
  const pauses: number[] = []
  let skipped = 0
  const surroundings: Surroundings = {
    now: () => Date.now() + skipped,
    random: () => 0,
    wait: async ms => {
      pauses.push(ms)
      skipped += ms
    },
  }
  return { surroundings, pauses }
}

const broken = (report: Report) => Object.entries(report.invariants).flatMap(([name, holds]) => (holds ? [] : [name]))

test('a whole sample goes through, in keyed calls, and everything adds up', async () => {
  await using tidemark = await pretendTidemark()
  const report = await replay(options(tidemark.url), () => {}, hurried().surroundings)
  assert.deepEqual(broken(report), [])
  assert.equal(report.orders.placed + report.orders.short, 241)
  assert.ok(report.orders.short > 0 && report.orders.short < 24)
  assert.ok(report.alerts.raised > 0 && report.alerts.resolved > 0)
  assert.equal(report.orders.confirmed, report.orders.placed - report.orders.cancelled)
  assert.equal(report.calls.order?.count, 241)
  assert.deepEqual([report.retries, report.refusals, tidemark.seen.keyless], [0, [], 0])
  assert.equal(tidemark.seen.reads, 0, 'the counts prove the final states: no order is read')
  assert.match(summaryText(report), /✓ stock agrees with what the client was told/)
})

test('lost answers, limits and outages are retried with the same key, and no work is done twice', async () => {
  const faults: Fault[] = ['limited', 'unavailable', 'refused', 'dropped']
  await using tidemark = await pretendTidemark({
    fault: ({ attempt, nth }) => (attempt < 3 && nth % 3 === 0 ? faults[nth % faults.length] : undefined),
  })
  const { surroundings, pauses } = hurried()
  const report = await replay(options(tidemark.url), () => {}, surroundings)
  assert.deepEqual(broken(report), [])
  assert.ok(report.retries > 100)
  assert.equal(report.retries, tidemark.seen.writes - tidemark.attempts.size)
  assert.equal(tidemark.seen.conflicting, 0)
  assert.ok(pauses.includes(1000), 'Retry-After is kept to')
})

test('orders taken while inventory is away are counted by how they end', async () => {
  await using tidemark = await pretendTidemark({ fault: ({ key }) => (/:order:9000[12]/.test(key) ? 'away' : undefined) })
  const report = await replay(options(tidemark.url), () => {}, hurried().surroundings)
  assert.deepEqual(broken(report), [])
  assert.ok(report.orders.awaited > 0)
  assert.ok(tidemark.seen.reads >= report.orders.awaited)
})

test('an interrupted run goes on under its name and still adds up', async () => {
  let down = true
  await using tidemark = await pretendTidemark({ fault: ({ nth }) => (down && nth > 120 ? 'unavailable' : undefined) })
  const same = options(tidemark.url, { patienceMs: 3_000 })
  await assert.rejects(
    replay(same, () => {}, hurried().surroundings),
    Unreachable,
  )
  down = false
  const report = await replay(same, () => {}, hurried().surroundings)
  assert.deepEqual(broken(report), [])
  assert.equal(report.orders.placed + report.orders.short, 241)
  const again = await replay(same, () => {}, hurried().surroundings)
  assert.deepEqual([again.orders, broken(again)], [report.orders, []])
})

test('two runs of one file are two runs: the second starts from what the first left', async () => {
  await using tidemark = await pretendTidemark()
  await replay(options(tidemark.url, { limit: 50 }), () => {}, hurried().surroundings)
  const report = await replay(options(tidemark.url, { limit: 50 }), () => {}, hurried().surroundings)
  assert.deepEqual(broken(report), [])
})

test('one unit that nobody was told about breaks the proof, and the summary names the SKU', async () => {
  let polls = 0
  await using tidemark = await pretendTidemark({
    falsify: (sku, units) => (sku === '70063' && polls > 0 ? units - 1 : units),
    deadLetters: poll => {
      polls = poll - 1
      return 0
    },
  })
  const report = await replay(options(tidemark.url, { limit: 40 }), () => {}, hurried().surroundings)
  assert.deepEqual(broken(report), ['stock agrees with what the client was told'])
  assert.deepEqual(
    report.stockDifferences.map(({ sku, told, found }) => [sku, found - told]),
    [['70063', -1]],
  )
  assert.equal(allHold(report), false)
  assert.match(summaryText(report), /✗ stock agrees/)
})

test('a lost mail and a dead letter are found', async () => {
  await using tidemark = await pretendTidemark({ mailsLost: 1, deadLetters: poll => (poll > 2 ? 1 : 0) })
  const report = await replay(options(tidemark.url), () => {}, hurried().surroundings)
  assert.deepEqual(broken(report), ['nothing in dead letters', 'every alert told'])
})

test('a system that never comes to rest is not waited for without end', async () => {
  await using tidemark = await pretendTidemark({ busyPolls: Number.POSITIVE_INFINITY })
  const report = await replay(options(tidemark.url, { limit: 10 }), () => {}, hurried().surroundings)
  assert.equal(report.settled, false)
  assert.deepEqual(broken(report).slice(0, 2), ['every order in a final state', 'every event delivered'])
})

test('a token is renewed before it ends', async () => {
  await using tidemark = await pretendTidemark({ tokenSeconds: 40, fault: ({ nth }) => (nth % 60 === 0 ? 'limited' : undefined) })
  const { surroundings } = hurried()
  const fast = { ...surroundings, now: () => surroundings.now() * 20 }
  const report = await replay(options(tidemark.url, { patienceMs: 1e9, settleMs: 1e9 }), () => {}, fast)
  assert.deepEqual(broken(report), [])
  assert.ok(tidemark.seen.tokens > 1)
})
