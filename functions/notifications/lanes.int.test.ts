import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { openRedis, type RedisClient } from '../../shared/data/redis.ts'
import { type CuttableConnection, cuttableConnection } from '../../test/cuttable-connection.ts'
import { type Started, serviceUrls, until } from '../../test/environment.ts'
import { openStage, type Stage } from './delivery-stage.ts'

let stage: Stage
let redis: RedisClient
const cuts: CuttableConnection[] = []
before(async () => {
  redis = openRedis({ url: serviceUrls().redis, service: 'test' })
  stage = await openStage()
})
afterEach(async () => {
  for (const provider of Object.values(stage.providers)) provider.reset()
  for (const cut of cuts.splice(0)) cut.close()
})
after(async () => {
  await stage.close()
  redis.disconnect()
})

/** Delivers events as KafkaSource does: so many at once, each again while it is answered to come again. */
async function deliverAll(ids: readonly string[], by: Started, until_: () => boolean, atOnce = 30): Promise<void> {
  const left = [...ids]
  const one = async () => {
    for (let id = left.shift(); id !== undefined && !until_(); id = left.shift()) {
      for (let tries = 0; tries < 8 && (await stage.send(id, by)) >= 500; tries++) await wait(100)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, one))
}

/** The most that was taken in any stretch of a second. */
function mostInASecond(times: readonly number[]): number {
  return Math.max(...times.map(begin => times.filter(time => time >= begin && time < begin + 1_000).length))
}

/** Notes when each message arrives. */
function arrivals(taken: readonly unknown[]) {
  const times: number[] = []
  const timer = setInterval(() => {
    while (times.length < taken.length) times.push(performance.now())
  }, 5)
  return { times, stop: () => clearInterval(timer) }
}

test('a flood of 2,000 mails delays no page, and the flood keeps to its share', async () => {
  const rate = { RATE_EMAIL: '50' }
  const [normal, urgent] = await Promise.all([stage.lane('normal', rate), stage.lane('urgent', rate)])
  // Once uncounted: the first event of a process asks the registry for its schema, and the lane is one that is always there.
  await stage.send(await stage.plan({ channel: 'email', priority: 'urgent' }), urgent)
  const flood = await stage.planMany(2_000, { channel: 'email' })
  let isOver = false
  const { ses } = stage.providers
  const arriving = arrivals(ses.taken)
  const flooding = deliverAll(flood, normal, () => isOver)
  await until(
    'the flood runs',
    () => ses.taken.length,
    taken => taken > 60,
  )
  const delays: number[] = []
  for (let count = 0; count < 5; count++) {
    const page = await stage.plan({ channel: 'email', priority: 'urgent', severity: 'out_of_stock' })
    const began = performance.now()
    assert.equal(await stage.send(page, urgent), 204)
    delays.push(performance.now() - began)
    assert.equal((await stage.row(page)).state, 'sent')
  }
  isOver = true
  await flooding
  arriving.stop()
  console.log(
    `pages during a flood: ${delays.map(delay => `${Math.round(delay)} ms`).join(', ')}; flood sent ${ses.taken.length}`,
  )
  // Behind the flood, which takes 40 s at its rate, a page would wait for tens of seconds; machines are shared, so not for one.
  assert.ok(Math.max(...delays) < 5_000, `${Math.max(...delays)} ms`)
  const [{ waiting } = { waiting: 0 }] = await stage.sql<{ waiting: number }[]>`
    select count(*)::int as waiting from notification where priority = 'normal' and state = 'queued'`
  assert.ok(waiting > 500, 'the flood was still waiting')
  // Windows of a second are counted, so a stretch across two of them holds at most two of their shares.
  assert.ok(mostInASecond(arriving.times) <= 2 * 50, `${mostInASecond(arriving.times)} in a second`)
})

test('two instances share one rate', async () => {
  const lanes = await Promise.all([stage.lane('urgent', { RATE_SMS: '10' }), stage.lane('urgent', { RATE_SMS: '10' })])
  const { sms } = stage.providers
  const halves = await Promise.all(lanes.map(() => stage.planMany(20, { channel: 'sms', priority: 'urgent' })))
  const began = performance.now()
  await Promise.all(lanes.map((lane, index) => deliverAll(halves[index] as string[], lane, () => false)))
  const seconds = (performance.now() - began) / 1_000
  assert.equal(sms.taken.length, 40)
  // The first ten go at once, and ten more with each second.
  assert.ok(seconds > 2.5, `40 messages took ${seconds} s`)
})

test('while Redis is away each instance keeps to its part of the rate, and nothing is lost', async () => {
  const { hostname, port } = new URL(serviceUrls().redis)
  const connection = await cuttableConnection({ host: hostname, port: Number(port) })
  cuts.push(connection)
  const url = serviceUrls().redis.replace(`${hostname}:${port}`, `127.0.0.1:${connection.port}`)
  const lane = await stage.lane('urgent', { RATE_PUSH: '30', REDIS_URL: url })
  connection.cut()
  const ids = await stage.planMany(12, { channel: 'push', priority: 'urgent' })
  const began = performance.now()
  await deliverAll(ids, lane, () => false)
  assert.equal(stage.providers.push.taken.length, 12)
  assert.ok(performance.now() - began > 1_500, 'five a second, a sixth of the rate')
})

test('a provider that keeps failing is left alone, and tried again after a pause; nothing is lost', async () => {
  const lane = await stage.lane('normal', { BREAKER_PAUSE: '1000' })
  const { pagerduty } = stage.providers
  const ids = await stage.planMany(40, { channel: 'pagerduty', alertId: null })
  pagerduty.fault({ kind: 'status', status: 500 }, 1_000)
  for (const id of ids) assert.ok((await stage.send(id, lane)) >= 500)
  const reasons = await stage.sql<{ error: string }[]>`select error from notification where id = any (${ids}::uuid[])`
  const asked = reasons.filter(({ error }) => /answered 500/.test(error)).length
  assert.equal(reasons.filter(({ error }) => /left alone/.test(error)).length, 40 - asked)
  assert.ok(asked >= 10 && asked < 30, `${asked} were tried`)
  assert.match(await (await fetch(lane.metricsUrl)).text(), /tidemark_breaker_open\{[^}]*to="pagerduty"[^}]*\} 1/)
  pagerduty.reset()
  await wait(1_100)
  await stage.sql`update notification set next_attempt_at = now() - interval '1 second' where id = any (${ids}::uuid[]) and state = 'queued'`
  for (const id of ids) assert.equal(await stage.send(id, lane), 204)
  assert.equal(pagerduty.taken.length, 40)
  assert.equal(new Set(pagerduty.taken.map(({ dedup_key }) => dedup_key)).size, 40)
})
