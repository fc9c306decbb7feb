import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, afterEach, before, test } from 'node:test'
import { unreachable } from '../../../local/providers/twilio.ts'
import { type Started, startFunction, until } from '../../../test/environment.ts'
import { openStage, type Stage } from '../delivery-stage.ts'
import { notificationCallbacks } from './callbacks.ts'

let stage: Stage
let hearing: Started
let alerts: Server
/** What the alerts function was asked. */
let asked: { path: string; key: string; body: { ids: string[]; note: string } }[] = []
let publicUrl = ''

before(async () => {
  alerts = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    if (request.url === '/oauth/token')
      return void response.end(JSON.stringify({ access_token: 'x', expires_in: 600, token_type: 'Bearer' }))
    asked.push({ path: request.url ?? '', key: String(request.headers['idempotency-key']), body: JSON.parse(text) })
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"results":[]}')
  })
  await new Promise<void>(resolve => alerts.listen(0, '127.0.0.1', resolve))
  // The callbacks' own address is known only once they listen: providers are told of a door before them.
  const door = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { host: _host, connection: _connection, ...headers } = request.headers
    const answer = await fetch(hearing.url + request.url, {
      method: request.method ?? 'POST',
      headers: headers as Record<string, string>,
      body: Buffer.concat(chunks),
    })
    response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()))
  })
  await new Promise<void>(resolve => door.listen(0, '127.0.0.1', resolve))
  publicUrl = `http://127.0.0.1:${(door.address() as AddressInfo).port}`
  closing.push(() => door.close())
  stage = await openStage({ callbacks: publicUrl })
  await stage.lane('normal')
  const url = `http://127.0.0.1:${(alerts.address() as AddressInfo).port}`
  hearing = await startFunction(notificationCallbacks, {
    ...stage.environment,
    FUNCTION_URL: `${url}/{name}`,
    TOKEN_URL: `${url}/oauth/token`,
    CLIENT_ID: 'notifications-callbacks',
    CLIENT_SECRET: 'secret-of-callbacks',
  })
})
const closing: (() => unknown)[] = []
afterEach(() => {
  asked = []
  for (const provider of Object.values(stage.providers)) provider.reset()
})
after(async () => {
  await hearing.stop()
  await stage.close()
  for (const close of closing) close()
  alerts.close()
})

const state = async (id: string) => (await stage.row(id)).state
const becomes = (id: string, wanted: string) =>
  until(
    `it is ${wanted}`,
    () => state(id),
    now => now === wanted,
  )
const sesUrl = () => `${publicUrl}/v1/callbacks/ses`

test('a text message is sent, and delivered when Twilio says so', async () => {
  const id = await stage.plan({ channel: 'sms' })
  await stage.send(id)
  await becomes(id, 'delivered')
  assert.deepEqual(await stage.history(id), ['sending', 'sent', 'delivered'])
})

test('what Twilio says late, twice or out of order goes no step back', async () => {
  const id = await stage.plan({ channel: 'sms' })
  await stage.send(id)
  await becomes(id, 'delivered')
  const [message] = stage.providers.sms.taken
  assert.ok(message)
  for (const status of ['sent', 'queued', 'delivered', 'undelivered', 'sent']) {
    assert.equal(await stage.providers.sms.tell(message, status), 200)
  }
  assert.equal(await state(id), 'delivered')
  assert.equal((await stage.history(id)).length, 3)
})

test('a text message whose answer was cut is not sent again: Twilio itself says that it has it', async () => {
  for (const kind of ['half', 'lost'] as const) {
    stage.providers.sms.reset()
    const id = await stage.plan({ channel: 'sms' })
    stage.providers.sms.fault({ kind })
    assert.equal(await stage.send(id), 204)
    await becomes(id, 'delivered')
    await stage.sql`update notification set next_attempt_at = now() - interval '1 second' where id = ${id} and state = 'queued'`
    assert.equal(await stage.send(id), 204)
    assert.equal(stage.providers.sms.taken.length, 1)
    assert.ok((await stage.row(id)).provider_id)
  }
})

test('a text message that does not arrive fails, and goes another way', async () => {
  const recipientId = await stage.recipient(['email'])
  const id = await stage.plan({ channel: 'sms', to: unreachable, recipientId, fallbacks: ['push', 'email'] })
  await stage.send(id)
  await becomes(id, 'failed')
  assert.match((await stage.row(id)).error ?? '', /30003/)
  const [successor] = await stage.sql<{ id: string; channel: string; body: string }[]>`
    select id, channel, body from notification where fallback_of = ${id}`
  assert.deepEqual([successor?.channel, successor?.body], ['email', `Notification ${id}`])
})

test('a wrong signature is refused, by every callback, and nothing is believed of it', async () => {
  const { sms, ses, pagerduty } = stage.providers
  const [text, mail] = [await stage.plan({ channel: 'sms' }), await stage.plan({ channel: 'email' })]
  await stage.send(text)
  await becomes(text, 'delivered')
  await stage.send(mail)
  const [message] = sms.taken
  const [sent] = ses.taken
  assert.ok(message && sent)
  assert.equal(await sms.tell(message, 'failed', { authToken: 'another' }), 401)
  assert.equal(await ses.tell(sesUrl(), sent, 'Bounce', { forged: true }), 401)
  assert.equal(await ses.tell(sesUrl(), sent, 'Bounce', { expired: true }), 401)
  assert.equal(await ses.tell(sesUrl(), sent, 'Bounce', { topicArn: 'arn:aws:sns:eu-west-1:1:of-somebody-else' }), 401)
  assert.equal(await ses.tell(sesUrl(), sent, 'Bounce', { certificateUrl: `${publicUrl}/SimpleNotificationService-x.pem` }), 401)
  assert.equal(await ses.tell(sesUrl(), sent, 'Bounce', { certificateUrl: 'nonsense' }), 401)
  assert.equal(
    await pagerduty.acknowledge(`${publicUrl}/v1/callbacks/pagerduty`, randomUUID(), { secret: 'another secret' }),
    401,
  )
  assert.equal(await state(mail), 'sent')
  assert.equal(asked.length, 0)
  assert.equal((await fetch(sesUrl(), { method: 'POST', headers: { 'content-type': 'text/plain' }, body: '{}' })).status, 400)
})

test('a mail is delivered when SES says so by SNS, in either version of its signature', async () => {
  for (const version of ['1', '2'] as const) {
    const id = await stage.plan({ channel: 'email' })
    await stage.send(id)
    const mail = stage.providers.ses.taken.at(-1)
    assert.ok(mail)
    assert.equal(await stage.providers.ses.tell(sesUrl(), mail, 'Delivery', { version }), 200)
    assert.equal(await state(id), 'delivered')
  }
})

test('a bounce for ever and a complaint end the address; a full mailbox does not', async () => {
  const disabled = async (id: string) => {
    const [contact] = await stage.sql`select disabled_reason from contact where id = ${(await stage.row(id)).contact_id}`
    return contact?.disabled_reason as string | null
  }
  const told = async (event: 'Bounce' | 'Complaint', bounceType?: 'Transient') => {
    const id = await stage.plan({ channel: 'email' })
    await stage.send(id)
    const mail = stage.providers.ses.taken.at(-1)
    assert.ok(mail)
    assert.equal(await stage.providers.ses.tell(sesUrl(), mail, event, { ...(bounceType && { bounceType }) }), 200)
    return [await state(id), await disabled(id)]
  }
  assert.deepEqual(await told('Bounce'), ['bounced', 'bounced: Permanent General'])
  assert.deepEqual(await told('Bounce', 'Transient'), ['bounced', null])
  assert.deepEqual(await told('Complaint'), ['sent', 'complaint: abuse'])
})

test('a mail that bounces after it was delivered has bounced', async () => {
  const id = await stage.plan({ channel: 'email' })
  await stage.send(id)
  const mail = stage.providers.ses.taken.at(-1)
  assert.ok(mail)
  for (const event of ['Delivery', 'Bounce', 'Delivery'] as const) await stage.providers.ses.tell(sesUrl(), mail, event)
  assert.equal(await state(id), 'bounced')
})

test('a subscription of a topic of ours is confirmed, one of another is not', async () => {
  const { ses } = stage.providers
  assert.equal(await ses.subscribe(sesUrl()), 200)
  assert.equal(ses.confirmed, 1)
  assert.equal(await ses.subscribe(sesUrl(), { topicArn: 'arn:aws:sns:eu-west-1:1:of-somebody-else' }), 401)
  assert.equal(ses.confirmed, 1)
})

test('what is said of a message that we do not know is heard, and changes nothing', async () => {
  const { sms, ses } = stage.providers
  const unknown = randomUUID()
  const message = { sid: 'SM1', to: '+1', from: '+2', body: '', statusCallback: `${publicUrl}/v1/callbacks/twilio/${unknown}` }
  assert.equal(await sms.tell(message, 'delivered'), 200)
  assert.equal(
    await ses.tell(sesUrl(), { messageId: 'none', to: '', subject: '', text: '', html: null, tags: {} }, 'Bounce'),
    200,
  )
})

test('who acknowledges at PagerDuty has acknowledged the alerts of the incident, once', async () => {
  const alertId = randomUUID()
  const id = await stage.plan({ channel: 'pagerduty', alertId })
  await stage.send(id)
  const url = `${publicUrl}/v1/callbacks/pagerduty`
  const event = randomUUID()
  for (let count = 0; count < 2; count++)
    assert.equal(await stage.providers.pagerduty.acknowledge(url, alertId, { id: event }), 200)
  assert.deepEqual(asked[0]?.path, '/alerts-respond/v1/alerts/acknowledge')
  assert.deepEqual(asked[0]?.body, { ids: [alertId], note: 'Acknowledged at PagerDuty by Robin Keeper.' })
  assert.equal(asked[0]?.key, asked[1]?.key, 'the alerts know the repetition by its key')
})

test('an incident about several alerts acknowledges all of them, and a foreign one none', async () => {
  const ids = [randomUUID(), randomUUID()].sort()
  const notification = await stage.plan({ channel: 'pagerduty', alertId: null })
  for (const id of ids)
    await stage.sql`insert into notification_alert (notification_id, alert_id, telling) values (${notification}, ${id}, 1)`
  await stage.send(notification)
  const url = `${publicUrl}/v1/callbacks/pagerduty`
  assert.equal(await stage.providers.pagerduty.acknowledge(url, notification), 200)
  assert.deepEqual(asked[0]?.body.ids, ids)
  assert.equal(await stage.providers.pagerduty.acknowledge(url, randomUUID()), 200)
  assert.equal(asked.length, 1)
})
