import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, afterEach, before, test } from 'node:test'
import { type Started, startFunction } from '../../test/environment.ts'
import { openStage, type Stage } from './delivery-stage.ts'
import { notificationsDue } from './due.ts'
import { sendAgain } from './send-again.ts'

let stage: Stage
let schedule: Started
let again: Started
before(async () => {
  stage = await openStage()
  await stage.lane('normal')
  schedule = await startFunction(notificationsDue, { ...stage.environment, NOTIFY_TO: 'keeper@tidemark.example' })
  again = await startFunction(sendAgain, { ...stage.environment })
})
afterEach(async () => {
  for (const provider of Object.values(stage.providers)) provider.reset()
  await stage.sql`delete from outbox`
})
after(async () => {
  await Promise.all([schedule.stop(), again.stop()])
  await stage.close()
})

interface Announced {
  readonly type: string
  readonly notificationId: string
  readonly attempt: number
}
async function announced(id?: string): Promise<Announced[]> {
  const rows = await stage.sql<{ type: string; data: string }[]>`select type, data from outbox order by id`
  const all = rows.map(({ type, data }) => ({ type, ...(JSON.parse(data) as Omit<Announced, 'type'>) }))
  return id === undefined ? all : all.filter(({ notificationId }) => notificationId === id)
}

test('a parked message is announced when it is due, by its own lane, once', async () => {
  const [due, later, page] = await Promise.all([
    stage.plan({ channel: 'sms' }),
    stage.plan({ channel: 'sms' }),
    stage.plan({ channel: 'sms', priority: 'urgent' }),
  ])
  await stage.sql`
    update notification set attempts = 3, queued_at = now() - interval '2 minutes',
      next_attempt_at = case when id = ${later} then now() + interval '1 hour' else now() - interval '1 second' end
    where id = any (${[due, later, page]}::uuid[])`
  for (let count = 0; count < 2; count++) assert.equal(await schedule.tick(), 204)
  assert.deepEqual(
    (await announced(due)).map(({ type, attempt }) => [type, attempt]),
    [['tidemark.notification.queued.v1', 4]],
  )
  assert.deepEqual(
    (await announced(page)).map(({ type }) => type),
    ['tidemark.page.queued.v1'],
  )
  assert.equal((await announced(later)).length, 0)
})

test('a message that a process took and never settled, and one whose event was lost, are announced again', async () => {
  const [stuck, lost, fresh] = (await Promise.all([0, 1, 2].map(() => stage.plan({ channel: 'sms' })))) as [
    string,
    string,
    string,
  ]
  await stage.sql`
    update notification set state = 'sending', next_attempt_at = now() - interval '1 second', queued_at = now() - interval '40 seconds'
    where id = ${stuck}`
  await stage.sql`update notification set created_at = now() - interval '1 hour', queued_at = now() - interval '1 hour' where id = ${lost}`
  assert.equal(await schedule.tick(), 204)
  assert.equal((await announced(stuck)).length, 1)
  assert.equal((await announced(lost)).length, 1)
  assert.equal((await announced(fresh)).length, 0)
})

const successorsOf = (id: string) =>
  stage.sql<
    {
      id: string
      channel: string
      state: string
      subject: string
      body: string
      fallback_channels: string[]
      deliver_by: Date | null
      contact_id: string
    }[]
  >`
    select * from notification where fallback_of = ${id}`

test('a message that is not delivered in time goes another way, once, with the same words', async () => {
  const recipientId = await stage.recipient(['sms', 'pagerduty'])
  const deliverBy = new Date(Date.now() - 1_000)
  const id = await stage.plan({
    channel: 'email',
    recipientId,
    priority: 'urgent',
    fallbacks: ['push', 'sms', 'pagerduty'],
    deliverBy,
  })
  const alertId = randomUUID()
  await stage.sql`insert into notification_alert (notification_id, alert_id, telling) values (${id}, ${alertId}, 1)`
  for (let count = 0; count < 2; count++) assert.equal(await schedule.tick(), 204)
  const [successor, ...more] = await successorsOf(id)
  assert.equal(more.length, 0)
  assert.deepEqual(
    [successor?.channel, successor?.state, successor?.body, successor?.fallback_channels],
    ['sms', 'queued', `Notification ${id}`, ['pagerduty']],
    'there is no device: the telephone is next',
  )
  assert.equal((await announced(successor?.id))[0]?.type, 'tidemark.page.queued.v1')
  const [about] = await stage.sql`select alert_id from notification_alert where notification_id = ${successor?.id ?? ''}`
  assert.equal(about?.alert_id, alertId, 'it ends with its alert, too')
})

test('a message that failed goes another way at once; with no other way it stays failed', async () => {
  const recipientId = await stage.recipient(['email'])
  const [other, none] = [
    await stage.plan({ channel: 'sms', to: '+15005550001', recipientId, fallbacks: ['email'] }),
    await stage.plan({ channel: 'sms', to: '+15005550001', fallbacks: ['push'] }),
  ]
  for (const id of [other, none]) {
    assert.equal(await stage.send(id), 204)
    assert.equal((await stage.row(id)).state, 'failed')
  }
  assert.deepEqual(
    (await successorsOf(other)).map(({ channel }) => channel),
    ['email'],
  )
  assert.equal((await successorsOf(none)).length, 0)
})

test('a message that was delivered, or of which nobody will say more, is not late', async () => {
  const recipientId = await stage.recipient(['email'])
  const deliverBy = new Date(Date.now() + 60_000)
  const ids = await Promise.all(
    (['webhook', 'push'] as const).map(channel => stage.plan({ channel, recipientId, fallbacks: ['email'], deliverBy })),
  )
  for (const id of ids) {
    await stage.send(id)
    assert.equal((await stage.row(id)).deliver_by, null)
    await schedule.tick()
    assert.equal((await successorsOf(id)).length, 0)
  }
})

test('a failed message is tried again on request, as often as it is asked for by one key', async () => {
  const id = await stage.plan({ channel: 'sms', to: '+15005550001' })
  await stage.send(id)
  const key = randomUUID()
  for (let count = 0; count < 2; count++) {
    const { status, body } = await again.request(`POST /v1/notifications/${id}/retry`, { body: {}, key })
    assert.deepEqual([status, body.state, body.attempts], [200, 'queued', 0])
  }
  assert.equal((await announced(id)).length, 1)
  assert.deepEqual((await stage.history(id)).slice(-1), ['queued'])
  const sent = await stage.plan({ channel: 'email' })
  await stage.send(sent)
  const { body } = await again.request(`POST /v1/notifications/${sent}/retry`, { body: {} })
  assert.equal(body.state, 'sent', 'what has not failed is left as it is')
  assert.equal((await again.request(`POST /v1/notifications/${randomUUID()}/retry`, { body: {} })).status, 404)
})

test('many failed messages are tried again by what they have in common', async () => {
  const recipientId = await stage.recipient()
  const ids = await stage.planMany(3, { channel: 'sms', to: '+15005550001', recipientId })
  for (const id of ids) await stage.send(id)
  const { body } = await again.request('POST /v1/notifications/retry', {
    body: { channel: 'sms', recipientId },
    key: randomUUID(),
  })
  assert.deepEqual(body, { retried: 3, more: false })
  assert.equal((await announced()).filter(({ notificationId }) => ids.includes(notificationId)).length, 3)
  const none = await again.request('POST /v1/notifications/retry', { body: { channel: 'sms', recipientId } })
  assert.deepEqual(none.body, { retried: 0, more: false })
})

test('a receiver is sent a webhook once more, by the same id', async () => {
  const id = await stage.plan({ channel: 'webhook' })
  await stage.send(id)
  assert.equal((await again.request(`POST /v1/notifications/${id}/replay`, { body: {} })).status, 200)
  await stage.send(id)
  assert.deepEqual(
    stage.providers.webhook.taken.map(taken => taken.id),
    [id, id],
  )
  const mail = await stage.plan({ channel: 'email' })
  const { status, body } = await again.request(`POST /v1/notifications/${mail}/replay`, { body: {} })
  assert.deepEqual([status, body.code], [422, 'invalid_input'])
})
