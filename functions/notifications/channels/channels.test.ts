import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, afterEach, before, test } from 'node:test'
import { z } from 'zod'
import { type FcmServer, startFcm } from '../../../local/providers/fcm.ts'
import { type PagerDutyServer, startPagerDuty } from '../../../local/providers/pagerduty.ts'
import type { Fault, Provider } from '../../../local/providers/provider.ts'
import { startTwilio, type TwilioServer } from '../../../local/providers/twilio.ts'
import { startWebhookReceiver, type WebhookReceiver } from '../../../local/providers/webhook-receiver.ts'
import { Transient } from '../../../shared/errors.ts'
import { AddressGone, type Channel, type Message, NotConfigured, Unanswered } from './channel.ts'
import { channelsOf } from './channels.ts'
import { type ChannelConfig, channelConfig } from './settings.ts'
import { newWebhookSecret } from './webhook-signature.ts'

let twilio: TwilioServer
let fcm: FcmServer
let pagerduty: PagerDutyServer
let receiver: WebhookReceiver
let config: ChannelConfig
const secret = newWebhookSecret()
const device = 'device-token:0123456789'

const settings = (given: Record<string, unknown>): ChannelConfig =>
  z.object(channelConfig).parse({ SEALING_KEYS: `a:${'A'.repeat(43)}`, ...given })

before(async () => {
  ;[twilio, fcm, pagerduty, receiver] = await Promise.all([startTwilio(), startFcm(), startPagerDuty(), startWebhookReceiver()])
  receiver.secret = secret
  config = settings({
    ...{ TWILIO_ACCOUNT_SID: twilio.accountSid, TWILIO_AUTH_TOKEN: twilio.authToken, TWILIO_FROM: '+15005550006' },
    ...{
      TWILIO_URL: twilio.url,
      PUBLIC_URL: 'https://tidemark.example',
      FCM_URL: fcm.url,
      FCM_SERVICE_ACCOUNT: fcm.serviceAccount,
    },
    ...{ PAGERDUTY_URL: pagerduty.url, WEBHOOK_PRIVATE: 'true', SEND_DEADLINE: 400 },
  })
})
afterEach(() => {
  for (const { provider } of Object.values(providers())) provider.reset()
})
after(() => Promise.all([twilio.close(), fcm.close(), pagerduty.close(), receiver.close()]))

const message = (to: string, more: Partial<Message> = {}): Message => ({
  ...{ notificationId: randomUUID(), kind: 'alert', severity: 'critical', to, subject: '85123A is low', text: 'Reorder it.' },
  ...{ html: null, payload: { alerts: [{ sku: '85123A' }] }, secrets: [secret], incident: randomUUID(), createdAt: new Date() },
  ...more,
})

const providers = (): Record<'sms' | 'push' | 'pagerduty' | 'webhook', { provider: Provider<unknown>; to: string }> => ({
  sms: { provider: twilio, to: '+447700900123' },
  push: { provider: fcm, to: device },
  pagerduty: { provider: pagerduty, to: pagerduty.routingKey },
  webhook: { provider: receiver, to: `${receiver.url}/hook` },
})
const names = ['sms', 'push', 'pagerduty', 'webhook'] as const

const channelOf = (name: (typeof names)[number], with_: ChannelConfig = config): Promise<Channel> => channelsOf(with_)(name)
async function failureOf(name: (typeof names)[number], given: Message, with_ = config): Promise<Error & { retryAfter?: number }> {
  const channel = await channelOf(name, with_)
  return channel.send(given, with_.SEND_DEADLINE).then(
    () => assert.fail('it was taken'),
    (error: Error) => error,
  )
}

for (const name of names) {
  test(`${name}: a message is taken once and has the provider's id`, async () => {
    const { provider, to } = providers()[name]
    const channel = await channelOf(name)
    const { providerId } = await channel.send(message(to), 2_000)
    assert.ok(providerId.length > 0)
    assert.equal(provider.taken.length, 1)
  })

  test(`${name}: a provider that is over its limit is waited for as long as it asks`, async () => {
    const { provider, to } = providers()[name]
    provider.fault({ kind: 'status', status: 429, retryAfter: '7', body: { error: { code: 429, status: 'RESOURCE_EXHAUSTED' } } })
    const error = await failureOf(name, message(to))
    assert.ok(error instanceof Transient, error.message)
    assert.equal(error.retryAfter, 7)
    assert.equal(provider.taken.length, 0)
  })

  for (const status of [500, 503]) {
    test(`${name}: ${status} may be tried again, by us and not by the SDK`, async () => {
      const { provider, to } = providers()[name]
      provider.fault({ kind: 'status', status, body: { error: { code: status, status: 'INTERNAL' } } })
      const error = await failureOf(name, message(to))
      assert.ok(error instanceof Transient && !(error instanceof Unanswered), error.message)
      await new Promise(resolve => setTimeout(resolve, 100))
      assert.equal(provider.taken.length, 0)
    })
  }

  test(`${name}: a provider that does not answer in time leaves nobody knowing, and is asked no second time`, async () => {
    const { provider, to } = providers()[name]
    provider.fault({ kind: 'lost' })
    const began = performance.now()
    const error = await failureOf(name, message(to))
    assert.ok(error instanceof Unanswered, `${error.name} ${error.message}`)
    assert.ok(performance.now() - began < 2_000)
    await new Promise(resolve => setTimeout(resolve, 1_200))
    assert.equal(provider.taken.length, 1)
  })

  test(`${name}: a provider that nobody reaches has taken nothing`, async () => {
    const nowhere = 'http://127.0.0.1:1'
    const away = { ...config, TWILIO_URL: nowhere, FCM_URL: nowhere, PAGERDUTY_URL: nowhere }
    const to = name === 'webhook' ? nowhere : providers()[name].to
    const error = await failureOf(name, message(to), away)
    assert.ok(error instanceof Transient && !(error instanceof Unanswered), `${error.name} ${error.message}`)
  })
}

for (const name of ['sms', 'push', 'pagerduty'] as const) {
  test(`${name}: an answer that is cut in its middle leaves nobody knowing`, async () => {
    const { provider, to } = providers()[name]
    provider.fault({ kind: 'half' } satisfies Fault)
    const error = await failureOf(name, message(to))
    assert.ok(error instanceof Unanswered, `${error.name} ${error.message}`)
    assert.equal(provider.taken.length, 1)
  })
}

test('what a provider will never take is refused for good, with its reason', async () => {
  assert.match((await failureOf('sms', message('+447700900123', { text: '' }))).message, /21602/)
  assert.match((await failureOf('push', message('short'))).message, /FCM refused the message/)
  assert.match((await failureOf('pagerduty', message(pagerduty.routingKey, { incident: 'x'.repeat(300) }))).message, /dedup_key/)
  for (const name of ['sms', 'push', 'pagerduty'] as const) assert.equal(providers()[name].provider.taken.length, 0)
})

test('a dead address is told as such', async () => {
  fcm.uninstall('uninstalled:0123456789')
  receiver.fault({ kind: 'status', status: 410 })
  const failures = [
    await failureOf('sms', message('+15005550001')),
    await failureOf('sms', message('+15005550004')),
    await failureOf('push', message('uninstalled:0123456789')),
    await failureOf('pagerduty', message('not-a-key')),
    await failureOf('webhook', message(`${receiver.url}/hook`)),
  ]
  for (const error of failures) assert.ok(error instanceof AddressGone, error.message)
})

test('wrong credentials are no fault of the message: it may go later', async () => {
  for (const with_ of [{ ...config, TWILIO_AUTH_TOKEN: 'wrong' }]) {
    const error = await failureOf('sms', message('+447700900123'), with_)
    assert.ok(error instanceof Transient && error.retryAfter >= 60, error.message)
  }
  const other = await startFcm()
  const error = await failureOf('push', message(device), { ...config, FCM_SERVICE_ACCOUNT: other.serviceAccount })
  await other.close()
  assert.ok(error instanceof Transient, error.message)
})

test('a channel without its settings is not configured, and says which are absent', async () => {
  const bare = settings({})
  for (const [name, setting] of [
    ['sms', /TWILIO_ACCOUNT_SID/],
    ['push', /FCM_SERVICE_ACCOUNT/],
  ] as const) {
    const error = await failureOf(name, message('+447700900123'), bare)
    assert.ok(error instanceof NotConfigured)
    assert.match(error.message, setting)
  }
})

test('a text message asks Twilio to say later what became of it, by a URL that names the notification', async () => {
  const sent = message('+447700900123')
  await (await channelOf('sms')).send(sent, 2_000)
  assert.equal(twilio.taken[0]?.statusCallback, `https://tidemark.example/v1/callbacks/twilio/${sent.notificationId}`)
})

test('a push to a topic reaches its listeners, and a device is shown a repeated message once', async () => {
  const push = await channelOf('push')
  await push.send(message('/topics/low-stock'), 2_000)
  const sent = message(device)
  await push.send(sent, 2_000)
  const [toTopic, toDevice] = fcm.taken as ((typeof fcm.taken)[number] & { android?: { notification: { tag: string } } })[]
  assert.equal(toTopic?.topic, 'low-stock')
  assert.equal(toDevice?.token, device)
  assert.equal(toDevice?.android?.notification.tag, sent.notificationId)
})

test('the alert is the key of its incident: triggered twice it is one, and it is resolved without an answer of ours', async () => {
  const channel = await channelOf('pagerduty')
  const incident = randomUUID()
  for (const kind of ['alert', 'alert', 'acknowledged', 'resolved'] as const) {
    await channel.send(message(pagerduty.routingKey, { incident, kind }), 2_000)
  }
  assert.deepEqual(
    pagerduty.taken.map(({ event_action, dedup_key }) => [event_action, dedup_key === incident]),
    [
      ['trigger', true],
      ['trigger', true],
      ['acknowledge', true],
      ['resolve', true],
    ],
  )
  assert.equal(pagerduty.incidents.get(incident), 'resolved')
})
