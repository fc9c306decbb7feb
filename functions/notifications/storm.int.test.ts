import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { type Database, openDatabase } from '../../shared/data/postgres.ts'
import { newId } from '../../shared/ids.ts'
import { type Heard, planBatch } from './plan-batch.ts'
import type { Planning } from './planning.ts'
import { planningStage } from './planning-stage.ts'

let stage: Awaited<ReturnType<typeof planningStage>>
let database: Database
before(async () => {
  stage = await planningStage()
  database = openDatabase({ url: stage.url, pool: 2, service: 'test' })
})
after(async () => {
  await database.close()
  await stage.stop()
})

const [low, critical] = [4_800, 200]
/** As many as share a transaction under load. */
const together = 128

test('5,000 SKUs that fall below their level at once are a few messages, the critical ones first, none told twice', async t => {
  const berta = await stage.person(['email', 'sms', 'push'])
  await stage.route([{ recipient: berta }], { wait: 1, interval: 60, groupBy: ['location', 'severity'] })
  const events = Array.from({ length: low + critical }, (_, n): Heard => {
    // Spread evenly: each hundred low ones bring four that are critical.
    const data = stage.raised({ sku: `SKU-${n}`, severity: n % 25 === 7 ? 'critical' : 'low' })
    return {
      event: { id: randomUUID(), type: 'tidemark.alert.raised.v1', subject: data.alertId, time: new Date(), data },
      traceparent: '',
    }
  })
  // One in ten comes again, later.
  const delivered = [...events, ...events.filter((_, n) => n % 10 === 0)]
  const batches = Array.from({ length: Math.ceil(delivered.length / together) }, (_, n) =>
    delivered.slice(n * together, (n + 1) * together),
  )
  const began = performance.now()
  // All within one second of the clock that planning knows, by two instances.
  const queue = batches.entries()
  const now = Date.now()
  await Promise.all(
    [1, 2].map(async () => {
      for (const [n, batch] of queue) {
        const at = new Date(now + Math.floor((n / batches.length) * 1_000))
        await database.transaction(tx => planBatch(tx, planning, batch, at))
      }
    }),
  )
  const milliseconds = performance.now() - began
  assert.equal(await stage.later(), 204)

  const messages = await stage.messages()
  for (const channel of ['email', 'push']) {
    const told = messages.filter(m => m.channel === channel).flatMap(({ skus }) => skus)
    assert.equal(told.length, low + critical, `${channel}: each once`)
    assert.equal(new Set(told).size, low + critical)
  }
  const texts = messages.filter(m => m.channel === 'sms')
  assert.equal(texts.flatMap(({ skus }) => skus).length, critical, 'a telephone rings for what is critical alone')
  // The first critical ones at once, the others together; the low ones together. By each channel.
  assert.ok(messages.length <= 3 + 3 + 2 + 2, `${messages.length} messages`)
  assert.deepEqual(
    messages.slice(0, 3).map(({ priority, events: [event] }) => [priority, event]),
    Array(3).fill(['urgent', 'tidemark.page.queued.v1']),
    'the critical ones go first, in their own lane',
  )
  t.diagnostic(`${delivered.length} events planned in ${Math.round(milliseconds)} ms: ${messages.length} messages`)
})

const planning: Planning = {
  seal: { seal: text => stage.seal.seal(text), open: text => stage.seal.open(text) },
  newId,
  settings: () => ({
    ...{ NOTIFY_TO: 'keeper@tidemark.example', NOTIFY_GROUP_WAIT: 1, NOTIFY_GROUP_INTERVAL: 60 },
    ...{ DELIVER_WITHIN: 60, MESSAGES_AN_HOUR: 60 },
  }),
  templateFailed: (_, error) => assert.fail(error),
  planned: () => {},
}
