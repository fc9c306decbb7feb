import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, beforeEach, test } from 'node:test'
import { planningStage } from './planning-stage.ts'

let stage: Awaited<ReturnType<typeof planningStage>>
before(async () => {
  stage = await planningStage({ NOTIFY_GROUP_WAIT: '0', MESSAGES_AN_HOUR: '3' })
})
after(() => stage.stop())
beforeEach(() => stage.reset())

const queued = 'tidemark.notification.queued.v1'
const page = 'tidemark.page.queued.v1'

test('without routes and recipients the keeper gets every alert by mail, sealed, with its event in the same transaction', async () => {
  const alert = stage.raised()
  assert.equal(await stage.raise(alert), 204)
  const [message, ...others] = await stage.messages()
  assert.equal(others.length, 0)
  assert.deepEqual(
    [message?.kind, message?.channel, message?.priority, message?.state, message?.subject, message?.events, message?.steps],
    ['alert', 'email', 'normal', 'queued', '85123A is low at main: 3 left', [queued], ['queued']],
  )
  assert.equal(message?.alertId, alert.alertId)
  assert.match(message?.body ?? '', new RegExp(`Alert ${alert.alertId}\\.`))
  assert.match(message?.html ?? '', /<td>85123A<\/td>/)
  const [{ recipient }] = (await stage.sql`select recipient from notification`) as unknown as [{ recipient: string }]
  assert.equal(await stage.seal.open(recipient), 'keeper@tidemark.example')
})

test('an alert that comes twice, late, or after its end is told once or not at all', async () => {
  const alert = stage.raised()
  const worse = { ...alert, telling: 2, severity: 'critical' as const }
  for (const one of [alert, alert, worse, alert, worse]) assert.equal(await stage.raise(one), 204)
  assert.deepEqual(
    (await stage.messages()).map(({ severity }) => severity),
    ['low', 'critical'],
  )
  const over = stage.raised({ sku: 'OVER' })
  await stage.resolve(over)
  await stage.raise(over)
  assert.equal((await stage.messages()).length, 2)
})

test('what is critical goes in the urgent lane, at once', async () => {
  await stage.raise(stage.raised({ severity: 'out_of_stock', available: 0 }))
  const [message] = await stage.messages()
  assert.deepEqual([message?.priority, message?.events], ['urgent', [page]])
})

test('a muted alert is told to nobody, and is when its silence ends', async () => {
  const alert = stage.raised({ muted: 'silence:1' })
  await stage.raise(alert)
  assert.equal((await stage.messages()).length, 0)
  await stage.raise({ ...alert, muted: null, telling: 2 })
  assert.equal((await stage.messages()).length, 1)
})

test('an alert that is muted while it waits is taken out of its message, and told again when that is over', async () => {
  const berta = await stage.person(['email'], { quiet: quietNow() })
  await stage.route([{ recipient: berta }])
  const alert = stage.raised()
  await stage.raise(alert)
  await stage.raise({ ...alert, telling: 2, muted: 'silence:1' })
  assert.deepEqual(
    (await stage.messages()).map(({ state }) => state),
    ['cancelled'],
  )
  await stage.raise({ ...alert, telling: 3 })
  await stage.later()
  assert.deepEqual(
    (await stage.messages()).map(({ state }) => state),
    ['cancelled', 'queued'],
  )
})

test('the matching route says who is told, by the channels that each wants', async () => {
  const [berta, colin] = [await stage.person(['email', 'sms'], { roles: ['buyer'] }), await stage.person(['push'])]
  await stage.sql`insert into recipient_group (name, created_at) values ('night', now())`
  await stage.sql`insert into recipient_group_member values ('night', ${colin})`
  await stage.route([{ role: 'buyer' }], { position: 1, matcher: { locations: ['shop'] }, continues: true })
  await stage.route([{ group: 'night' }, { recipient: berta }], { position: 2, matcher: { minimumSeverity: 'critical' } })
  await stage.raise(stage.raised({ location: 'shop' }))
  assert.deepEqual(
    (await stage.messages()).map(m => [m.recipientId, m.channel]),
    [[berta, 'email']],
    'an SMS is for what is critical, unless she wants otherwise',
  )
  await stage.reset()
})

test('who is meant by two routes is told once of the same telling', async () => {
  const berta = await stage.person(['email'])
  await stage.route([{ recipient: berta }], { position: 1, continues: true })
  await stage.route([{ recipient: berta }], { position: 2, groupBy: ['sku'] })
  await stage.raise(stage.raised())
  assert.equal((await stage.messages()).length, 1)
})

test('a route that leads to nobody leads to the keeper; who has opted out is left alone', async () => {
  await stage.route([{ role: 'nobody' }], { channels: ['sms'] })
  await stage.raise(stage.raised())
  assert.deepEqual(
    (await stage.messages()).map(m => [m.recipientId, m.channel]),
    [[null, 'email']],
  )
  await stage.reset()
  const berta = await stage.person(['email'])
  await stage.prefer(berta, 'email', { optedOut: true })
  await stage.route([{ recipient: berta }])
  await stage.raise(stage.raised({ severity: 'critical' }))
  assert.equal((await stage.messages()).length, 0)
})

test('300 SKUs of one delivery are one message after the first', async () => {
  const berta = await stage.person(['email'])
  await stage.route([{ recipient: berta }])
  await stage.raise(stage.raised({ sku: 'FIRST' }))
  await Promise.all(Array.from({ length: 300 }, (_, n) => stage.raise(stage.raised({ sku: `SKU-${n}` }))))
  assert.equal(await stage.later(), 204)
  const messages = await stage.messages()
  const told = messages.flatMap(({ skus }) => skus)
  assert.equal(told.length, 301)
  assert.equal(new Set(told).size, 301)
  assert.equal(messages.length, 2)
  assert.match(messages[1]?.subject ?? '', /^300 SKUs are low at main$/)
})

test('the handler that opens a group waits for others, tells it, and only then is done', async () => {
  const berta = await stage.person(['email'])
  await stage.route([{ recipient: berta }], { wait: 1 })
  const opening = stage.raise(stage.raised({ sku: 'A' }))
  await new Promise(resolve => setTimeout(resolve, 300))
  const began = performance.now()
  assert.equal(await stage.raise(stage.raised({ sku: 'B' })), 204)
  assert.ok(performance.now() - began < 500, 'who joins does not wait')
  assert.equal((await stage.messages()).length, 0)
  assert.equal(await opening, 204)
  assert.deepEqual(
    (await stage.messages()).map(({ skus }) => skus),
    [['A', 'B']],
  )
})

test('a handler that died while it waited is followed by its event again, or by the schedule', async () => {
  const berta = await stage.person(['email'])
  await stage.route([{ recipient: berta }], { wait: 1 })
  const [alert, id] = [stage.raised({ sku: 'A' }), randomUUID()]
  const dying = stage.raise(alert, id)
  await new Promise(resolve => setTimeout(resolve, 200))
  // The same event comes to another instance while the first still holds it.
  await Promise.all([stage.raise(alert, id), dying])
  assert.equal((await stage.messages()).length, 1)
  await stage.sql`update notification_group set flush_at = now() - interval '1 minute', opener = null`
  await stage.sql`update notification_group_alert set told_at = null`
  await stage.sql`truncate notification cascade`
  assert.equal(await stage.due.tick(), 204)
  assert.equal((await stage.messages()).length, 1)
  assert.equal(await stage.due.tick(), 204)
  assert.equal((await stage.messages()).length, 1)
})

test('a group of which all ended before it was told tells nobody', async () => {
  const berta = await stage.person(['email', 'webhook'])
  await stage.route([{ recipient: berta }], { wait: 60 })
  const alert = stage.raised()
  await stage.raise(alert)
  await stage.resolve(alert)
  await stage.later()
  assert.equal((await stage.messages()).length, 0)
})

test('what ends while its message waits is taken out of it, and the last one cancels it', async () => {
  const berta = await stage.person(['email'])
  await stage.route([{ recipient: berta }], { wait: 60 })
  const [a, b] = [stage.raised({ sku: 'A' }), stage.raised({ sku: 'B' })]
  await Promise.all([stage.raise(a), stage.raise(b)])
  await stage.later()
  assert.deepEqual(
    (await stage.messages()).map(m => [m.subject, m.skus]),
    [['2 SKUs are low at main', ['A', 'B']]],
  )
  await stage.resolve(a)
  const [shorter] = await stage.messages()
  assert.deepEqual([shorter?.subject, shorter?.skus, shorter?.alertId], ['B is low at main: 3 left', ['B'], b.alertId])
  await stage.resolve(b)
  const [cancelled] = await stage.messages()
  assert.deepEqual([cancelled?.state, cancelled?.steps], ['cancelled', ['queued', 'queued', 'cancelled']])
})

test('who was told that it stands is told of its end where the route says so: programs, unless it says otherwise', async () => {
  const berta = await stage.person(['email', 'webhook', 'pagerduty'])
  await stage.route([{ recipient: berta }])
  const alert = stage.raised({ severity: 'critical' })
  await stage.raise(alert)
  await stage.sql`update notification set state = 'delivered'`
  await stage.acknowledge(alert)
  await stage.resolve(alert)
  await stage.resolve(alert)
  const messages = await stage.messages()
  const of = (kind: string) =>
    messages
      .filter(m => m.kind === kind)
      .map(m => [m.channel, m.alertId, m.payload?.incident])
      .sort()
  const both = [
    ['pagerduty', alert.alertId, alert.alertId],
    ['webhook', alert.alertId, alert.alertId],
  ]
  assert.deepEqual(of('acknowledged'), both)
  assert.deepEqual(of('resolved'), both)
})

test('an incident of several alerts is resolved when the last of them has ended', async () => {
  const berta = await stage.person(['pagerduty'])
  await stage.route([{ recipient: berta }], { urgentWait: 60 })
  const [a, b] = [
    stage.raised({ sku: 'A', severity: 'critical', available: 1 }),
    stage.raised({ sku: 'B', severity: 'critical' }),
  ]
  await Promise.all([stage.raise(a), stage.raise(b)])
  await stage.later()
  await stage.sql`update notification set state = 'delivered'`
  await stage.resolve(a)
  assert.equal((await stage.messages()).length, 1)
  await stage.resolve(b)
  const [told, resolved] = await stage.messages()
  assert.deepEqual([resolved?.kind, resolved?.alertId], ['resolved', told?.alertId])
})

test('an escalation is told at once to its targets, each step once, unless somebody is at it', async () => {
  const berta = await stage.person(['email', 'sms'], { quiet: ['00:00', '23:59'] })
  await stage.prefer(berta, 'email', { minimum: 'out_of_stock', digestAt: '08:00' })
  const alert = stage.raised()
  const targets = [`recipient:${berta}`]
  for (const step of [1, 1, 2]) assert.equal(await stage.escalate(alert, targets, step), 204)
  const messages = await stage.messages()
  assert.deepEqual(
    messages.map(m => [m.kind, m.channel, m.events[0]]),
    [1, 2].flatMap(() => [
      ['escalation', 'email', page],
      ['escalation', 'sms', page],
    ]),
  )
  assert.match(messages[0]?.subject ?? '', /^Nobody has acknowledged: 85123A is low at main/)
  await stage.acknowledge(alert, Date.now() + 60_000)
  await stage.escalate(alert, targets, 3)
  assert.equal((await stage.messages()).filter(m => m.kind === 'escalation').length, 4)
})

test('what is low waits for the end of quiet hours; what is critical does not', async () => {
  const berta = await stage.person(['email'], { quiet: quietNow() })
  await stage.route([{ recipient: berta }])
  await stage.raise(stage.raised({ sku: 'LOW' }))
  await stage.raise(stage.raised({ sku: 'CRITICAL', severity: 'critical' }))
  const [held, told] = await stage.messages()
  assert.ok(held?.heldUntil && held.heldUntil > new Date())
  assert.deepEqual([held?.state, held?.events, told?.heldUntil, told?.events], ['queued', [], null, [page]])
  await stage.due.tick()
  assert.deepEqual((await stage.messages())[0]?.events, [])
  await stage.later()
  await stage.later()
  assert.deepEqual((await stage.messages())[0]?.events, [queued])
})

test('a digest collects until its time, and then says in one message what still stands', async () => {
  const berta = await stage.person(['email'])
  await stage.prefer(berta, 'email', { digestAt: '08:00' })
  await stage.route([{ recipient: berta }], { groupBy: ['sku'] })
  const alerts = ['A', 'B', 'C'].map(sku => stage.raised({ sku }))
  await Promise.all(alerts.map(alert => stage.raise(alert)))
  const open = await stage.sql`select recipient_id from digest where closed_at is null`
  assert.equal(open.length, 1)
  assert.equal((await stage.messages()).length, 0)
  await stage.resolve(alerts[1] as (typeof alerts)[number])
  await stage.later()
  await stage.later()
  const messages = await stage.messages()
  assert.deepEqual(
    messages.map(m => [m.kind, m.skus, m.events]),
    [['digest', ['A', 'C'], [queued]]],
  )
  assert.match(messages[0]?.subject ?? '', /^Your digest: 2 SKUs are low at main$/)
})

test('what is over the limit of an hour joins the next digest; what is urgent is not counted', async () => {
  const berta = await stage.person(['email'])
  await stage.route([{ recipient: berta }], { groupBy: ['sku'] })
  const low = Array.from({ length: 5 }, (_, n) => stage.raised({ sku: `LOW-${n}` }))
  for (const alert of low) await stage.raise(alert)
  for (const n of [1, 2]) await stage.raise(stage.raised({ sku: `CRITICAL-${n}`, severity: 'critical' }))
  assert.deepEqual(Object.groupBy(await stage.messages(), m => m.priority).normal?.length, 3)
  assert.deepEqual(Object.groupBy(await stage.messages(), m => m.priority).urgent?.length, 2)
  await stage.later()
  const told = (await stage.messages()).flatMap(({ skus }) => skus).sort()
  assert.deepEqual(told, ['CRITICAL-1', 'CRITICAL-2', ...low.map(({ sku }) => sku)])
})

test('what still stands, and nobody is at, is told again', async () => {
  const berta = await stage.person(['webhook'])
  await stage.route([{ recipient: berta }], { repeat: 3600 })
  const [a, b] = [stage.raised({ sku: 'A' }), stage.raised({ sku: 'B' })]
  await stage.raise(a)
  await stage.raise(b)
  await stage.later()
  await stage.later()
  const again = (await stage.messages()).at(-1)
  assert.deepEqual([again?.subject, again?.skus], ['Still: 2 SKUs are low at main', ['A', 'B']])
  await stage.acknowledge(a)
  await stage.later()
  assert.deepEqual((await stage.messages()).at(-1)?.skus, ['B'])
  await stage.resolve(b)
  const count = (await stage.messages()).length
  await stage.later()
  assert.equal((await stage.messages()).length, count)
})

test('a critical message names when it is late and the channels that are tried then', async () => {
  const berta = await stage.person(['email', 'sms', 'push'])
  await stage.route([{ recipient: berta }], { channels: ['email'] })
  await stage.raise(stage.raised({ severity: 'critical' }))
  await stage.raise(stage.raised({ sku: 'LOW' }))
  const [urgent, normal] = await stage.messages()
  assert.deepEqual([urgent?.fallbackChannels, normal?.fallbackChannels, normal?.deliverBy], [['push', 'sms'], [], null])
  const seconds = (Number(urgent?.deliverBy) - Date.now()) / 1_000
  assert.ok(seconds > 50 && seconds <= 60, `${seconds} s`)
})

/** From an hour ago until in two hours. */
function quietNow(): [string, string] {
  const at = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString().slice(11, 16)
  return [at(-1), at(2)]
}
