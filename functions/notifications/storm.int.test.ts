import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { planningStage } from './planning-stage.ts'

let stage: Awaited<ReturnType<typeof planningStage>>
before(async () => {
  stage = await planningStage({ NOTIFY_GROUP_WAIT: '1', NOTIFY_GROUP_INTERVAL: '2' })
})
after(() => stage.stop())

const [low, critical] = [4_800, 200]

test('5,000 SKUs that fall below their level at once are a few messages, the critical ones first, none told twice', async t => {
  const berta = await stage.person(['email', 'sms', 'push'])
  await stage.route([{ recipient: berta }], { wait: 1, interval: 2, groupBy: ['location', 'severity'] })
  const alerts = Array.from({ length: low + critical }, (_, n) =>
    // Spread evenly: each hundred low ones bring four that are critical.
    stage.raised({ sku: `SKU-${n}`, severity: n % 25 === 7 ? 'critical' : 'low' }),
  )
  const began = performance.now()
  // As a KafkaSource does it: many at once, each again when it fails, and one in fifty twice.
  const statuses = await inLanes(100, [...alerts, ...alerts.filter((_, n) => n % 50 === 0)], alert => stage.raise(alert))
  const milliseconds = performance.now() - began
  assert.deepEqual([...new Set(statuses)], [204])
  await stage.later()

  const messages = await stage.messages()
  for (const channel of ['email', 'push']) {
    const told = messages.filter(m => m.channel === channel).flatMap(({ skus }) => skus)
    assert.equal(told.length, low + critical, `${channel}: each once`)
    assert.equal(new Set(told).size, low + critical)
  }
  const texts = messages.filter(m => m.channel === 'sms')
  assert.equal(texts.flatMap(({ skus }) => skus).length, critical, 'a telephone rings for what is critical alone')
  // One a group and interval: two groups, two seconds or five.
  const bound = 2 * (2 + Math.ceil(milliseconds / 2_000)) + 2 + Math.ceil(milliseconds / 5_000)
  assert.ok(messages.length <= bound + 4, `${messages.length} messages in ${milliseconds} ms`)
  assert.equal(messages[0]?.priority, 'urgent', 'the first message is a critical one')
  const events = new Set(messages.filter(m => m.priority === 'urgent').flatMap(m => m.events))
  assert.deepEqual([...events], ['tidemark.page.queued.v1'])
  t.diagnostic(`${alerts.length} alerts in ${Math.round(milliseconds)} ms: ${messages.length} messages`)
})

async function inLanes<T, R>(count: number, items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const queue = items.values()
  await Promise.all(
    Array.from({ length: count }, async () => {
      for (const item of queue) results.push(await work(item))
    }),
  )
  return results
}
