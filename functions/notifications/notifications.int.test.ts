import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, afterEach, before, test } from 'node:test'
import { type Started, startFunction } from '../../test/environment.ts'
import { type ChannelName, channelNames } from './channels/channel.ts'
import { openStage, type Stage } from './delivery-stage.ts'
import { readNotifications } from './read.ts'

let stage: Stage
let sending: Started
let reading: Started
before(async () => {
  stage = await openStage()
  sending = await stage.lane('normal')
  reading = await startFunction(readNotifications, { ...stage.environment })
})
afterEach(() => {
  for (const provider of Object.values(stage.providers)) provider.reset()
})
after(async () => {
  await reading.stop()
  await stage.close()
})

const takenBy = (channel: ChannelName) => stage.providers[channel === 'email' ? 'ses' : channel].taken.length
const faultOf = (channel: ChannelName) => stage.providers[channel === 'email' ? 'ses' : channel]
/** Makes a parked message due, as time would. */
const due = (id: string) => stage.sql`update notification set next_attempt_at = now() - interval '1 second' where id = ${id}`

for (const channel of channelNames) {
  test(`${channel}: a message whose event comes twice, and twice at once, is sent once`, async () => {
    const id = await stage.plan({ channel })
    const statuses = await Promise.all([stage.send(id), stage.send(id)])
    assert.ok(statuses.includes(204))
    assert.equal(await stage.send(id), 204)
    assert.equal(takenBy(channel), 1)
    const row = await stage.row(id)
    assert.ok(['sent', 'delivered'].includes(row.state), row.state)
    assert.equal(row.attempts, 1)
    assert.ok(row.provider_id)
    assert.deepEqual(await stage.history(id), ['sending', row.state])
  })

  test(`${channel}: 500 and 429 lose nothing: the message waits as long as it is asked to, and is then sent once`, async () => {
    const id = await stage.plan({ channel })
    const fault = { kind: 'status', body: { error: { status: 'INTERNAL' } } } as const
    faultOf(channel).fault({ ...fault, status: 500 })
    assert.equal(await stage.send(id), 502, 'soon again: the event comes back')
    assert.equal((await stage.row(id)).state, 'queued')
    await due(id)
    faultOf(channel).fault({ ...fault, status: 429, retryAfter: '120' })
    assert.equal(await stage.send(id), 204, 'later: the row waits')
    const parked = await stage.row(id)
    assert.equal(parked.state, 'queued')
    assert.ok((parked.next_attempt_at?.getTime() ?? 0) > Date.now() + 110_000)
    assert.match(parked.error ?? '', /429|Throttl|not take/)
    assert.equal(await stage.send(id), 204, 'not due')
    assert.equal(takenBy(channel), 0)
    await due(id)
    assert.equal(await stage.send(id), 204)
    assert.equal(takenBy(channel), 1)
    assert.equal((await stage.row(id)).attempts, 3)
    assert.deepEqual((await stage.history(id)).slice(0, 4), ['sending', 'queued', 'sending', 'queued'])
  })

  test(`${channel}: a provider that hangs is given up in time, and the message waits`, async () => {
    const id = await stage.plan({ channel })
    faultOf(channel).fault({ kind: 'hang' })
    const began = performance.now()
    await stage.send(id)
    assert.ok(performance.now() - began < 4_000)
    assert.equal((await stage.row(id)).state, 'queued')
    await due(id)
    assert.equal(await stage.send(id), 204)
    assert.equal(takenBy(channel), 1)
  })

  test(`${channel}: a cancelled message is not sent, and its event is done`, async () => {
    const id = await stage.plan({ channel, state: 'cancelled' })
    assert.equal(await stage.send(id), 204)
    assert.equal(takenBy(channel), 0)
    assert.equal((await stage.row(id)).state, 'cancelled')
  })

  test(`${channel}: nothing is sent to a contact that is disabled, or gone`, async () => {
    const [disabled, gone] = [await stage.plan({ channel }), await stage.plan({ channel })]
    await stage.sql`update contact set disabled_at = now(), disabled_reason = 'bounced' where id = ${(await stage.row(disabled)).contact_id}`
    await stage.sql`delete from contact where id = ${(await stage.row(gone)).contact_id}`
    for (const id of [disabled, gone]) {
      assert.equal(await stage.send(id), 204)
      assert.equal((await stage.row(id)).state, 'failed')
    }
    assert.match((await stage.row(disabled)).error ?? '', /disabled: bounced/)
    assert.equal(takenBy(channel), 0)
  })
}

test('a dead address fails its message and is told nothing any more', async () => {
  const to = `uninstalled:${randomUUID()}`
  stage.providers.push.uninstall(to)
  const id = await stage.plan({ channel: 'push', to })
  assert.equal(await stage.send(id), 204)
  const { state, contact_id } = await stage.row(id)
  assert.equal(state, 'failed')
  const [contact] = await stage.sql`select disabled_reason from contact where id = ${contact_id}`
  assert.match(contact?.disabled_reason, /registration-token-not-registered/)
})

test('a message that its process never settled is taken by another after its time, and not before', async () => {
  const id = await stage.plan({ channel: 'pagerduty' })
  await stage.sql`update notification set state = 'sending', attempts = 1, next_attempt_at = now() + interval '20 seconds' where id = ${id}`
  assert.equal(await stage.send(id), 503, 'it is in another hand: the event comes again')
  assert.equal(takenBy('pagerduty'), 0)
  await due(id)
  assert.equal(await stage.send(id), 204)
  assert.equal(takenBy('pagerduty'), 1)
  assert.deepEqual([(await stage.row(id)).state, (await stage.row(id)).attempts], ['delivered', 2])
})

test('what a provider will never take fails with its reason, from which the address is kept out', async () => {
  const to = '+44770091234567890'
  const id = await stage.plan({ channel: 'sms', to })
  assert.equal(await stage.send(id), 204)
  const { state, error } = await stage.row(id)
  assert.equal(state, 'failed')
  assert.match(error ?? '', /21211/)
  assert.doesNotMatch(error ?? '', /44770091234567890/)
})

test('a channel without settings fails its messages with that reason', async () => {
  const bare = await stage.lane('normal', { TWILIO_ACCOUNT_SID: '', NOTIFY_FROM: '' })
  for (const channel of ['sms', 'email'] as const) {
    const id = await stage.plan({ channel })
    assert.equal(await stage.send(id, bare), 204)
    assert.match((await stage.row(id)).error ?? '', /not configured/)
  }
})

test('an event about a message that is not there, or a channel that is not known, stops nothing', async () => {
  const unknown = { notificationId: randomUUID(), channel: 'email', attempt: 1 }
  assert.equal(await sending.deliver('tidemark.notification.queued.v1', unknown), 204)
  assert.equal(await sending.deliver('tidemark.notification.queued.v1', { ...unknown, channel: 'pigeon' }), 422)
})

test('a mail has both its parts, and the tag by which its events are known', async () => {
  const id = await stage.plan({ channel: 'email', html: '<p>Reorder it.</p>' })
  await stage.send(id)
  const [mail] = stage.providers.ses.taken
  assert.deepEqual([mail?.text, mail?.html, mail?.tags.notification], [`Notification ${id}`, '<p>Reorder it.</p>', [id]])
})

test('one notification is answered with its words and its history; an address is masked, and sealed in the database', async () => {
  const alertId = randomUUID()
  const id = await stage.plan({ channel: 'email', to: 'keeper@tidemark.example', alertId })
  await stage.send(id)
  const { body } = await reading.request<Record<string, unknown>>(`GET /v1/notifications/${id}`)
  assert.deepEqual(
    [body.state, body.recipient, body.text, body.alerts],
    ['sent', 'k•••@tidemark.example', `Notification ${id}`, [alertId]],
  )
  assert.deepEqual(
    (body.history as { state: string; detail: string | null }[]).map(({ state, detail }) => [state, detail]),
    [
      ['sending', 'try 1'],
      ['sent', null],
    ],
  )
  const [row] = await stage.sql<{ recipient: string }[]>`select recipient from notification where id = ${id}`
  assert.equal(row?.recipient.includes('keeper'), false)
  assert.equal((await reading.request(`GET /v1/notifications/${randomUUID()}`)).status, 404)
})

test('notifications are found by state, channel, recipient and alert, page by page', async () => {
  const recipientId = await stage.recipient(['sms', 'email'])
  const alertId = randomUUID()
  const sms = await stage.planMany(3, { channel: 'sms', recipientId })
  const mail = await stage.plan({ channel: 'email', recipientId, alertId: null })
  await stage.sql`insert into notification_alert (notification_id, alert_id, telling) values (${mail}, ${alertId}, 1)`
  type Page = { items: { id: string }[]; next: string | null }
  const find = async (query: string) => {
    const { body } = await reading.request<Page>(`GET /v1/notifications?${query}`)
    return body
  }
  const first = await find(`recipientId=${recipientId}&limit=3`)
  const rest = await find(`recipientId=${recipientId}&limit=3&cursor=${first.next}`)
  assert.deepEqual([...first.items, ...rest.items].map(({ id }) => id).sort(), [...sms, mail].sort())
  assert.equal((await find(`recipientId=${recipientId}&channel=sms`)).items.length, 3)
  assert.equal((await find(`recipientId=${recipientId}&state=failed`)).items.length, 0)
  assert.deepEqual(
    (await find(`alertId=${alertId}`)).items.map(({ id }) => id),
    [mail],
  )
})

test('notifications are counted by state', async () => {
  const { body } = await reading.request<{ pending: number; sent: number; failed: number; states: Record<string, number> }>(
    'GET /v1/notifications/summary',
  )
  const rows = await stage.sql<{ state: string; count: string }[]>`select state, count(*) from notification group by state`
  const of = (...states: string[]) =>
    rows.reduce((sum, { state, count }) => sum + (states.includes(state) ? Number(count) : 0), 0)
  assert.deepEqual(
    [body.pending, body.sent, body.failed, body.states.cancelled],
    [of('queued', 'sending'), of('sent', 'delivered'), of('failed', 'bounced'), of('cancelled')],
  )
})
