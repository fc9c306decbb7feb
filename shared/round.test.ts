import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Rejected, Transient } from './errors.ts'
import { runParts } from './round.ts'

type Line = readonly [{ part: string; cause: string[] }, string]

/** Runs the parts. @returns what the round failed with, and what it logged */
async function failing(parts: Record<string, () => Promise<void>>) {
  const lines: Line[] = []
  const log = { error: (...line: Line) => void lines.push(line) } as unknown as Parameters<typeof runParts>[0]
  const error = await runParts(log, parts).then(
    () => undefined,
    reason => reason as Error,
  )
  return { error, logged: lines.map(([{ part, cause }]) => [part, ...cause]) }
}
const fails = (error: Error) => () => Promise.reject(error)

test('the parts of a round run side by side: one does not wait for the other', async () => {
  const met = Promise.withResolvers<void>()
  const { error, logged } = await failing({ waits: () => met.promise, comes: async () => met.resolve() })
  assert.deepEqual([error, logged], [undefined, []])
})

test('when a part fails the others come to their end, and only then the round fails, with that error', async () => {
  const broken = new Transient('unavailable', 'no database', { cause: new Error('refused') })
  const done: string[] = []
  const slow = (name: string) => async () => {
    await new Promise(resolve => setTimeout(resolve, 20))
    done.push(name)
  }
  const { error, logged } = await failing({ before: slow('before'), broken: fails(broken), after: slow('after') })
  assert.deepEqual(done, ['before', 'after'])
  assert.equal(error, broken)
  assert.deepEqual(logged, [['broken', 'Transient: no database', 'Error: refused']])
})

test('a part that fails before it has begun to wait keeps no other from beginning', async () => {
  const done: string[] = []
  const { error } = await failing({
    broken() {
      throw new Error('at once')
    },
    other: async () => void done.push('other'),
  })
  assert.deepEqual([error?.message, done], ['at once', ['other']])
})

test('when several parts fail the round fails with all of them, and is tried again soon only when that may help each', async () => {
  const [busy, away, wrong] = [
    new Transient('overloaded'),
    new Transient('unavailable', 'no database'),
    new Rejected('not_found'),
  ]
  const { error: soon, logged } = await failing({ busy: fails(busy), away: fails(away) })
  assert.ok(soon instanceof Transient)
  assert.deepEqual((soon.cause as AggregateError).errors, [busy, away])
  assert.match(soon.message, /^Transient: Too much work at once\.; Transient: no database$/)
  assert.deepEqual(
    logged.map(([part]) => part),
    ['busy', 'away'],
  )
  const { error: never } = await failing({ busy: fails(busy), wrong: fails(wrong) })
  assert.ok(never instanceof AggregateError)
  assert.deepEqual(never.errors, [busy, wrong])
})
