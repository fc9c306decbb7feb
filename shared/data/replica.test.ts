import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import type { Database, Queryable } from './postgres.ts'
import { ReplicaReads } from './replica.ts'

/** How far each has come; undefined when it does not answer. */
let written: number | undefined
let replayed: number | undefined
let now: number
let maxLag: number
beforeEach(() => {
  written = 100
  replayed = 100
  now = 0
  maxLag = 5_000
})

const lost = () => Promise.reject(Object.assign(new Error('lost'), { code: 'ECONNREFUSED' }))
const database = (name: string, position: () => number | undefined) =>
  ({
    sql: Object.assign(() => (position() === undefined ? lost() : Promise.resolve([{ position: position() }])), { called: name }),
  }) as unknown as Database

const reads = (replica: Database | undefined = database('replica', () => replayed)) =>
  new ReplicaReads({ primary: database('primary', () => written), replica, maxLag: () => maxLag, clock: () => now })
const where = (from: ReplicaReads) => from.read(async (sql: Queryable) => (sql as unknown as { called: string }).called)

test('a replica that has all that was written is read', async () => {
  assert.equal(await where(reads()), 'replica')
})

test('without a replica the primary is read', async () => {
  const alone = new ReplicaReads({ primary: database('primary', () => written), replica: undefined, maxLag: () => maxLag })
  assert.equal(await where(alone), 'primary')
  assert.equal(await alone.ifThere(async () => 'replica'), undefined)
})

test('a replica that is behind is read while what it has was written not too long ago', async () => {
  const from = reads()
  assert.equal(await where(from), 'replica')
  for (now = 1_000; now <= 5_000; now += 1_000) {
    written = 100 + now
    assert.equal(await where(from), 'replica', `${now} ms behind`)
  }
  now = 6_000
  assert.equal(await where(from), 'primary')
  replayed = 5_100
  now = 7_000
  assert.equal(await where(from), 'replica', 'it is two seconds behind')
})

test('how far a replica is behind when the process starts is not known: it is not read before it has what is written now', async () => {
  replayed = 99
  const from = reads()
  assert.equal(await where(from), 'primary')
  now = 1_000
  replayed = 100
  assert.equal(await where(from), 'replica')
})

test('an idle primary makes no replica old', async () => {
  const from = reads()
  for (now = 0; now < 60_000; now += 10_000) assert.equal(await where(from), 'replica')
})

test('a replica that does not answer is left alone, and tried again a second later', async () => {
  replayed = undefined
  const from = reads()
  assert.equal(await where(from), 'primary')
  replayed = 100
  assert.equal(await where(from), 'primary')
  now = 1_000
  assert.equal(await where(from), 'replica')
})

test('a replica that is lost in the middle of a read costs the primary one, and nobody notices', async () => {
  const from = reads()
  const asked: string[] = []
  const work = (sql: Queryable) => {
    const { called } = sql as unknown as { called: string }
    asked.push(called)
    return called === 'replica' ? lost() : Promise.resolve(called)
  }
  assert.equal(await from.read(work), 'primary')
  assert.equal(await from.read(work), 'primary')
  assert.deepEqual(asked, ['replica', 'primary', 'primary'])
})

test('a fault of the question is a fault wherever it is asked', async () => {
  const wrong = () => Promise.reject(Object.assign(new Error('syntax'), { code: '42601' }))
  await assert.rejects(reads().read(wrong), /syntax/)
  await assert.rejects(reads().ifThere(wrong), /syntax/)
})

test('a database that replays nothing is not a replica', async () => {
  const stranger = { sql: () => Promise.resolve([{ position: null }]) } as unknown as Database
  assert.equal(await where(reads(stranger)), 'primary')
})
