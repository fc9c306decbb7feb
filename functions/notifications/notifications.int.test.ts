import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { SESClient, VerifyEmailIdentityCommand } from '@aws-sdk/client-ses'
import postgres from 'postgres'
import { type ClonedDatabase, cloneDatabase, type Started, serviceUrls, startFunction } from '../../test/environment.ts'
import { readNotifications } from './read.ts'
import { sendNotification } from './send.ts'

const credentials = { accessKeyId: 'any', secretAccessKey: 'any' }
const from = `stock-${randomUUID()}@tidemark.example`
const keys = { SEALING_KEYS: `a:${randomBytes(32).toString('base64url')}` }
const sender = (overrides: Record<string, string> = {}) => ({
  ...keys,
  NOTIFICATIONS_DATABASE_URL: cloned.url,
  NOTIFY_FROM: from,
  NOTIFY_TO: 'keeper@tidemark.example',
  SES_ENDPOINT: serviceUrls().ses,
  AWS_ACCESS_KEY_ID: credentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  ...overrides,
})

let cloned: ClonedDatabase
let sql: postgres.Sql
let sending: Started
let reading: Started
before(async () => {
  const ses = new SESClient({ endpoint: serviceUrls().ses, region: 'eu-west-1', credentials })
  await ses.send(new VerifyEmailIdentityCommand({ EmailAddress: from }))
  ses.destroy()
  cloned = await cloneDatabase('notifications')
  sql = postgres(cloned.url, { max: 1 })
  sending = await startFunction(sendNotification, sender())
  reading = await startFunction(readNotifications, { ...keys, NOTIFICATIONS_DATABASE_URL: cloned.url })
})
after(async () => {
  await Promise.all([sending.stop(), reading.stop(), sql.end()])
  await cloned.drop()
})

const raised = (alertId: string, instance = sending, telling = 1) =>
  instance.deliver('tidemark.alert.raised.v1', {
    ...{ alertId, sku: '85123A', location: 'main', severity: 'low', available: 3, threshold: 12, stockVersion: 7 },
    raisedAt: Date.now(),
    telling,
    ...{ category: null, rule: 'absolute', suggestedOrder: null, muted: null },
  })

/** Mails that the provider took and that speak of the alert. */
async function mailsAbout(alertId: string): Promise<number> {
  const text = await (await fetch(`${serviceUrls().ses}/moto-api/data.json`)).text()
  return text.split(`Alert ${alertId}.`).length - 1
}

interface Listed {
  items: { state: string; recipient: string; attempts: number; subject: string; error: string | null }[]
}
const notificationOf = async (alertId: string) =>
  (await reading.request<Listed>(`GET /v1/notifications?alertId=${alertId}`)).body.items[0]

test('an alert that is told twice is mailed once', async () => {
  const alert = randomUUID()
  assert.equal(await raised(alert), 204)
  assert.equal(await raised(alert), 204)
  assert.equal(await mailsAbout(alert), 1)
  const notification = await notificationOf(alert)
  assert.deepEqual(notification && [notification.state, notification.attempts, notification.subject], [
    'sent',
    1,
    '85123A is low at main: 3 left',
  ])
})

test('an alert that is told again because it got worse, or its snooze is over, is mailed again, once', async () => {
  const alert = randomUUID()
  for (const telling of [1, 2, 2, 1]) assert.equal(await raised(alert, sending, telling), 204)
  assert.equal(await mailsAbout(alert), 2)
})

test('an address is sealed in the database and masked in answers', async () => {
  const alert = randomUUID()
  await raised(alert)
  const [row] = await sql<{ recipient: string }[]>`select recipient from notification where alert_id = ${alert}`
  assert.equal(row?.recipient.includes('keeper'), false)
  assert.equal((await notificationOf(alert))?.recipient, 'k•••@tidemark.example')
})

test('a mail that the provider will never take is a permanent failure, told with its reason', async () => {
  const alert = randomUUID()
  const unverified = await startFunction(sendNotification, sender({ NOTIFY_FROM: 'nobody@unverified.example' }))
  assert.equal(await raised(alert, unverified), 422)
  assert.equal(await raised(alert, unverified), 204, 'there is nothing more to do')
  await unverified.stop()
  const notification = await notificationOf(alert)
  assert.equal(notification?.state, 'failed')
  assert.match(notification?.error ?? '', /MessageRejected/)
  assert.equal(await mailsAbout(alert), 0)
})

test('while the provider is away the event comes again, and then the mail goes out', async () => {
  const alert = randomUUID()
  const away = await startFunction(sendNotification, sender({ SES_ENDPOINT: 'http://127.0.0.1:1' }))
  assert.ok((await raised(alert, away)) >= 500)
  await away.stop()
  assert.equal((await notificationOf(alert))?.state, 'sending')
  assert.equal(await raised(alert), 204)
  assert.equal(await mailsAbout(alert), 1)
  assert.deepEqual((await notificationOf(alert))?.attempts, 2)
})

test('notifications are counted by state', async () => {
  const { body } = await reading.request<{ pending: number; sent: number; failed: number }>('GET /v1/notifications/summary')
  assert.deepEqual(body, { pending: 0, sent: 5, failed: 1 })
})
