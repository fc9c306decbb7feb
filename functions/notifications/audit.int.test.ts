import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { type Started, startFunction } from '../../test/environment.ts'
import { planningStage } from './planning-stage.ts'
import { readNotifications } from './read.ts'

let stage: Awaited<ReturnType<typeof planningStage>>
let reading: Started
before(async () => {
  stage = await planningStage({ NOTIFY_GROUP_WAIT: '0' })
  reading = await startFunction(readNotifications, stage.env)
})
after(async () => {
  await reading.stop()
  await stage.stop()
})
beforeEach(() => stage.reset())

interface Entry {
  channel: string
  kind: string
  recipientId: string | null
  address: string
  telling: number | null
  alerts: number
  state: string
  steps: { state: string; at: string; detail: string | null }[]
}
const audit = async (alertId: string, more = '') =>
  (await reading.request<{ items: Entry[]; next: string | null }>(`GET /v1/notifications/audit?alertId=${alertId}${more}`)).body

test('an auditor reads who was told what of an alert, when, by which channel, and each step of the way', async () => {
  const berta = await stage.person(['email', 'webhook'])
  await stage.route([{ recipient: berta }], { wait: 60 })
  const [alert, other] = [stage.raised({ sku: 'A' }), stage.raised({ sku: 'B' })]
  await Promise.all([stage.raise(alert), stage.raise(other)])
  await stage.later()
  await stage.resolve(other)
  const { items } = await audit(alert.alertId)
  assert.deepEqual(
    items.map(({ channel, kind, recipientId, telling, alerts, steps }) => [
      channel,
      kind,
      recipientId,
      telling,
      alerts,
      steps.length,
    ]),
    [
      ['email', 'alert', berta, 1, 1, 2],
      ['webhook', 'alert', berta, 1, 1, 2],
    ],
  )
  assert.equal(items[0]?.address, 'e•••')
  assert.deepEqual(
    items[0]?.steps.map(({ state, detail }) => [state, detail]),
    [
      ['queued', null],
      ['queued', 'an alert ended before it was told'],
    ],
  )
  const first = await audit(alert.alertId, '&limit=1')
  const second = await audit(alert.alertId, `&limit=1&cursor=${first.next}`)
  assert.deepEqual([first.items[0]?.channel, second.items[0]?.channel, second.next], ['email', 'webhook', null])
})

test('every alert is told, ended before, muted, or pending', async () => {
  const told = stage.raised({ sku: 'TOLD', location: 'a' })
  const ended = stage.raised({ sku: 'ENDED', location: 'b' })
  await stage.raise(told)
  await stage.sql`update notification set state = 'sent'`
  await stage.raise(ended)
  await stage.resolve(ended)
  await stage.resolve(told)
  await stage.raise(stage.raised({ sku: 'MUTED', muted: 'silence:1' }))
  await stage.raise(stage.raised({ sku: 'PENDING', location: 'c' }))
  const { body } = await reading.request('GET /v1/notifications/summary')
  assert.deepEqual(
    { ...body, states: undefined },
    {
      ...{ pending: 1, sent: 1, failed: 0 },
      alertsTold: 1,
      alertsCancelled: 1,
      alertsMuted: 1,
      alertsPending: 1,
      states: undefined,
    },
  )
})
