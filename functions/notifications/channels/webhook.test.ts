import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, beforeEach, test } from 'node:test'
import { startWebhookReceiver, type WebhookReceiver } from '../../../local/providers/webhook-receiver.ts'
import { Rejected, Transient } from '../../../shared/errors.ts'
import type { Message } from './channel.ts'
import { isPrivateAddress } from './private-address.ts'
import { webhookChannel } from './webhook.ts'
import { newWebhookSecret, readSecrets, rotated, validSecrets } from './webhook-signature.ts'

let receiver: WebhookReceiver
before(async () => {
  receiver = await startWebhookReceiver()
})
beforeEach(() => receiver.reset())
after(() => receiver.close())

const message = (to: string, secrets: readonly string[]): Message => ({
  ...{ notificationId: randomUUID(), kind: 'alert', severity: 'low', to, subject: 's', text: 't', html: null, payload: { a: 1 } },
  ...{ secrets, incident: 'i', createdAt: new Date() },
})
const development = webhookChannel({ WEBHOOK_PRIVATE: true })

test('a receiver checks what it gets with the reference library, by the new secret and, while they rotate, by the old one', async () => {
  const [before, next] = [newWebhookSecret(), newWebhookSecret()]
  const now = new Date()
  const kept = rotated(readSecrets(before), next, new Date(now.getTime() + 1_000))
  for (const known of [before, next]) {
    receiver.secret = known
    await development.send(message(`${receiver.url}/hook`, validSecrets(kept, now)), 2_000)
  }
  assert.deepEqual(
    receiver.taken.map(({ signatures }) => signatures),
    [2, 2],
  )
  receiver.secret = before
  const later = validSecrets(kept, new Date(now.getTime() + 2_000))
  assert.deepEqual(later, [next], 'the old one signs no more after its time')
  await assert.rejects(development.send(message(`${receiver.url}/hook`, later), 2_000), /401/)
})

test('a wrong signature is refused by the receiver, and the message is not lost', async () => {
  receiver.secret = newWebhookSecret()
  await assert.rejects(development.send(message(`${receiver.url}/hook`, [newWebhookSecret()]), 2_000), Transient)
  assert.equal(receiver.taken.length, 0)
})

test('a redirect is not followed', async () => {
  receiver.secret = undefined
  await assert.rejects(development.send(message(`${receiver.url}/moved`, [newWebhookSecret()]), 2_000), /302/)
  assert.equal(receiver.taken.length, 0)
})

test('what leads into a private network is never asked, by its address, by a name or by plain HTTP', async () => {
  const strict = webhookChannel({ WEBHOOK_PRIVATE: false })
  for (const url of [
    receiver.url,
    receiver.url.replace('http:', 'https:'),
    `https://localhost:${new URL(receiver.url).port}/`,
    'https://169.254.169.254/latest/meta-data',
    'https://[::1]/',
    'https://[::ffff:10.0.0.1]/',
    'https://2130706433/',
    'https://user:password@example.com/',
    'ftp://example.com/',
    'nonsense',
  ]) {
    await assert.rejects(strict.send(message(url, [newWebhookSecret()]), 2_000), Rejected, url)
  }
  assert.equal(receiver.taken.length, 0)
})

test('addresses that are no host of the internet are private', () => {
  for (const address of [
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '127.0.0.1',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '::',
    '::1',
  ]) {
    assert.equal(isPrivateAddress(address), true, address)
  }
  for (const address of [
    'fe80::1',
    'fd00::1',
    '::ffff:8.8.8.8',
    '64:ff9b::808:808',
    '2001:db8::1',
    '2002:7f00:1::',
    'example.com',
  ]) {
    assert.equal(isPrivateAddress(address), true, address)
  }
  for (const address of ['8.8.8.8', '1.1.1.1', '172.32.0.1', '2606:4700:4700::1111', '2a00:1450:4001:830::200e']) {
    assert.equal(isPrivateAddress(address), false, address)
  }
})
