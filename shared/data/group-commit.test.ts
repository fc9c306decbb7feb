import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Rejected, Transient } from '../errors.ts'
import { GroupCommit } from './group-commit.ts'

const turn = () => new Promise<void>(resolve => setImmediate(resolve))

interface Command {
  number: number
  weight: number
  /** Its own refusal, or a failure of the whole transaction that carries it. */
  fate: 'accepted' | 'refused' | 'breaks its batch'
  /** Event-loop turns before it arrives. */
  pause: number
}

const commands = fc
  .array(
    fc.record({
      weight: fc.integer({ min: 1, max: 6 }),
      fate: fc.constantFrom<Command['fate']>('accepted', 'accepted', 'accepted', 'refused', 'breaks its batch'),
      pause: fc.nat({ max: 2 }),
    }),
    { maxLength: 40 },
  )
  .map(list => list.map((command, number): Command => ({ ...command, number })))

test('whatever arrives when, each command is settled once as itself, in order, in batches within the limit', async () => {
  await fc.assert(
    fc.asyncProperty(commands, fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 8 }), async (all, writers, maxBatch) => {
      const batches: Command[][] = []
      let running = 0
      const commit = new GroupCommit<Command, number>(
        async batch => {
          batches.push([...batch])
          assert.ok(++running <= writers, 'no more transactions at once than writers')
          await turn()
          await turn()
          running--
          if (batch.some(({ fate }) => fate === 'breaks its batch')) throw new Transient('unavailable')
          return batch.map(({ number, fate }) => (fate === 'refused' ? { error: new Rejected('not_found') } : { answer: number }))
        },
        { writers, maxBatch, weight: ({ weight }) => weight },
      )
      const settled = new Map<number, number>()
      const answers: Promise<unknown>[] = []
      for (const command of all) {
        for (let turns = 0; turns < command.pause; turns++) await turn()
        answers.push(
          commit.submit(command).then(
            number => ({ number }),
            (error: Error) => ({ error: error.name }),
          ),
        )
        answers.at(-1)?.then(() => settled.set(command.number, (settled.get(command.number) ?? 0) + 1))
      }
      const outcomes = await Promise.all(answers)
      assert.deepEqual(
        batches.flat().map(({ number }) => number),
        all.map(({ number }) => number),
        'every command goes once, in order of arrival',
      )
      assert.ok([...settled.values()].every(times => times === 1))
      for (const batch of batches) {
        const weight = batch.reduce((sum, command) => sum + command.weight, 0)
        assert.ok(batch.length === 1 || weight <= maxBatch, `a batch of ${batch.length} weighs ${weight}`)
        const broken = batch.some(({ fate }) => fate === 'breaks its batch')
        for (const { number, fate } of batch) {
          const expected = broken ? { error: 'Transient' } : fate === 'refused' ? { error: 'Rejected' } : { number }
          assert.deepEqual(outcomes[number], expected, 'a failing transaction fails its own batch and no other')
        }
      }
      assert.equal(commit.waiting, 0)
    }),
    { numRuns: 200 },
  )
})

test('a lone command waits for nobody', async () => {
  const commit = new GroupCommit<string, string>(async batch => batch.map(answer => ({ answer })))
  const began = performance.now()
  assert.equal(await commit.submit('alone'), 'alone')
  assert.ok(performance.now() - began < 50)
})

test('what arrives while a transaction is in flight shares the next one', async () => {
  const sizes: number[] = []
  const commit = new GroupCommit<number, number>(async batch => {
    sizes.push(batch.length)
    await new Promise(resolve => setTimeout(resolve, 20))
    return batch.map(answer => ({ answer }))
  })
  const first = commit.submit(0)
  await turn()
  await turn()
  await Promise.all([first, ...[1, 2, 3, 4].map(number => commit.submit(number))])
  assert.deepEqual(sizes, [1, 4])
})

test('another transaction begins beside the one in flight for what is worth it, and for what waits behind one that is held up', async () => {
  const sizes: number[] = []
  const ended: (() => void)[] = []
  const commit = new GroupCommit<number, number>(
    async batch => {
      sizes.push(batch.length)
      await new Promise<void>(resolve => ended.push(resolve))
      return batch.map(answer => ({ answer }))
    },
    { writers: 3 },
  )
  const answers = [commit.submit(0)]
  await turn()
  for (let number = 1; number <= 7; number++) answers.push(commit.submit(number))
  await turn()
  assert.deepEqual(sizes, [1])
  answers.push(commit.submit(8))
  await turn()
  assert.deepEqual(sizes, [1, 8])
  answers.push(commit.submit(9))
  await turn()
  assert.deepEqual(sizes, [1, 8])
  await new Promise(resolve => setTimeout(resolve, 30))
  assert.deepEqual(sizes, [1, 8, 1])
  for (const end of ended) end()
  assert.deepEqual(await Promise.all(answers), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('over the limit of waiting commands a new one is refused at once as overloaded', async () => {
  const commit = new GroupCommit<number, number>(async batch => batch.map(answer => ({ answer })), { maxWaiting: 3 })
  const accepted = [1, 2, 3].map(number => commit.submit(number))
  await assert.rejects(commit.submit(4), error => error instanceof Transient && error.code === 'overloaded')
  assert.deepEqual(await Promise.all(accepted), [1, 2, 3])
  assert.equal(await commit.submit(5), 5)
})

test('a command that a transaction forgot is a failure on our side, not silence', async () => {
  const commit = new GroupCommit<number, number>(async () => [])
  await assert.rejects(commit.submit(1), error => error instanceof Transient && error.code === 'internal')
})

test('a command that nobody waits for any more is refused as overloaded and never run', async () => {
  const ran: string[] = []
  const inFlight = Promise.withResolvers<void>()
  const commit = new GroupCommit<string, string>(async batch => {
    ran.push(...batch)
    await inFlight.promise
    return batch.map(answer => ({ answer }))
  })
  const first = commit.submit('first')
  await turn()
  const hurried = commit.submit('hurried', Date.now() + 20)
  const patient = commit.submit('patient', Date.now() + 60_000)
  const refused = assert.rejects(hurried, error => error instanceof Transient && error.code === 'overloaded')
  await new Promise(resolve => setTimeout(resolve, 40))
  inFlight.resolve()
  await refused
  assert.deepEqual(await Promise.all([first, patient]), ['first', 'patient'])
  assert.deepEqual(ran, ['first', 'patient'])
  assert.equal(commit.waiting, 0)
})

test('a queue of commands that nobody waits for is left without a transaction, and the next command finds a writer', async () => {
  const ran: string[] = []
  const inFlight = Promise.withResolvers<void>()
  const commit = new GroupCommit<string, string>(async batch => {
    ran.push(batch.join())
    await inFlight.promise
    return batch.map(answer => ({ answer }))
  })
  const first = commit.submit('first')
  await turn()
  const hurried = ['a', 'b'].map(name => assert.rejects(commit.submit(name, Date.now() + 10), Transient))
  await new Promise(resolve => setTimeout(resolve, 30))
  inFlight.resolve()
  await Promise.all([first, ...hurried])
  assert.equal(await commit.submit('last'), 'last')
  assert.deepEqual(ran, ['first', 'last'])
})

test('who will not wait as long as the first in the queue has is refused at once', async () => {
  const inFlight = Promise.withResolvers<void>()
  const commit = new GroupCommit<string, string>(async batch => {
    await inFlight.promise
    return batch.map(answer => ({ answer }))
  })
  const first = commit.submit('first')
  await turn()
  const second = commit.submit('second')
  await new Promise(resolve => setTimeout(resolve, 40))
  const began = performance.now()
  await assert.rejects(
    commit.submit('hurried', Date.now() + 20),
    error => error instanceof Transient && error.code === 'overloaded',
  )
  assert.ok(performance.now() - began < 15)
  const third = commit.submit('third', Date.now() + 10_000)
  inFlight.resolve()
  assert.deepEqual(await Promise.all([first, second, third]), ['first', 'second', 'third'])
})

test('it is saturated when more than a batch has waited too long, and not while the database only pauses', async () => {
  let inFlight = Promise.withResolvers<void>()
  const commit = new GroupCommit<number, number>(
    async batch => {
      await inFlight.promise
      return batch.map(answer => ({ answer }))
    },
    { maxBatch: 2, maxWaiting: 100, maxDelay: 20 },
  )
  const answers = [commit.submit(0)]
  await turn()
  answers.push(commit.submit(1), commit.submit(2))
  await new Promise(resolve => setTimeout(resolve, 30))
  assert.equal(commit.saturated, false, 'all that waits goes with the next batch')
  answers.push(commit.submit(3))
  assert.equal(commit.saturated, true)
  const before = inFlight
  inFlight = Promise.withResolvers()
  before.resolve()
  await answers[0]
  await turn()
  assert.equal(commit.saturated, false, 'one waits, and less than a batch')
  inFlight.resolve()
  assert.deepEqual(await Promise.all(answers), [0, 1, 2, 3])
})

test('a few heavy commands saturate it like many light ones', async () => {
  const inFlight = Promise.withResolvers<void>()
  const commit = new GroupCommit<number, number>(
    async batch => {
      await inFlight.promise
      return batch.map(answer => ({ answer }))
    },
    { maxBatch: 100, maxWaiting: 1_000, maxDelay: 20, weight: weight => weight },
  )
  const answers = [commit.submit(1)]
  await turn()
  answers.push(commit.submit(60))
  await new Promise(resolve => setTimeout(resolve, 30))
  assert.equal(commit.saturated, false)
  answers.push(commit.submit(60))
  assert.equal(commit.saturated, true)
  inFlight.resolve()
  assert.deepEqual(await Promise.all(answers), [1, 60, 60])
  assert.equal(commit.saturated, false)
})

test('it is saturated with half of its queue, and takes the other half', async () => {
  const commit = new GroupCommit<number, number>(async batch => batch.map(answer => ({ answer })), { maxWaiting: 4 })
  const answers = [commit.submit(1)]
  assert.equal(commit.saturated, false)
  answers.push(commit.submit(2))
  assert.equal(commit.saturated, true)
  answers.push(commit.submit(3), commit.submit(4))
  await assert.rejects(commit.submit(5), Transient)
  assert.deepEqual(await Promise.all(answers), [1, 2, 3, 4])
  assert.equal(commit.saturated, false)
})
