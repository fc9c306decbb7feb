import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { type Started, startFunction } from '../../test/environment.ts'
import { openStage, type Stage } from './delivery-stage.ts'
import { notificationDevices } from './devices.ts'

let stage: Stage
let devices: Started
before(async () => {
  stage = await openStage()
  await stage.lane('normal')
  devices = await startFunction(notificationDevices, { ...stage.environment })
})
after(async () => {
  await devices.stop()
  await stage.close()
})

interface Device {
  id: string
  topics: string[]
  disabledReason: string | null
}
const token = () => `device:${randomUUID()}`
const put = (body: Record<string, unknown>) => devices.request<Device>('PUT /v1/devices', { body })
const of = async (recipientId: string) =>
  (await devices.request<{ items: Device[] }>(`GET /v1/devices?recipientId=${recipientId}`)).body.items

test('a device is registered once, however often its app starts, and its token is sealed', async () => {
  const recipientId = await stage.recipient()
  const own = token()
  const [first, second] = [await put({ recipientId, token: own }), await put({ recipientId, token: own })]
  assert.deepEqual([first.status, second.status], [200, 200])
  assert.equal(first.body.id, second.body.id)
  assert.equal((await of(recipientId)).length, 1)
  const [row] = await stage.sql<{ address: string }[]>`select address from contact where id = ${first.body.id}`
  assert.equal(row?.address.includes(own), false)
  assert.equal(await stage.seal.open(row?.address ?? ''), own)
})

test('messages that wait for a token go to the one that replaces it', async () => {
  const recipientId = await stage.recipient()
  const [old, fresh] = [token(), token()]
  await put({ recipientId, token: old })
  const waiting = await stage.plan({ channel: 'push', recipientId })
  await put({ recipientId, token: fresh, replaces: old })
  await stage.send(waiting)
  assert.equal(stage.providers.push.taken.at(-1)?.token, fresh)
  assert.equal((await of(recipientId)).length, 1)
})

test('a device that was gone and registers again is told again', async () => {
  const recipientId = await stage.recipient()
  const own = token()
  const { body } = await put({ recipientId, token: own })
  await stage.sql`update contact set disabled_at = now(), disabled_reason = 'gone' where id = ${body.id}`
  assert.equal((await of(recipientId))[0]?.disabledReason, 'gone')
  await put({ recipientId, token: own })
  assert.equal((await of(recipientId))[0]?.disabledReason, null)
})

test('a device belongs to whom it was registered for last', async () => {
  const [before_, now] = [await stage.recipient(), await stage.recipient()]
  const own = token()
  await put({ recipientId: before_, token: own })
  await put({ recipientId: now, token: own })
  assert.deepEqual([(await of(before_)).length, (await of(now)).length], [0, 1])
})

test('a device listens to just the topics that it names, by its new token too, and to none once it is forgotten', async () => {
  const recipientId = await stage.recipient()
  const [own, fresh] = [token(), token()]
  const listeners = (topic: string) => [...(stage.providers.push.topics.get(topic) ?? [])]
  await put({ recipientId, token: own, topics: ['low', 'main'] })
  assert.deepEqual([listeners('low'), listeners('main')], [[own], [own]])
  await put({ recipientId, token: own, topics: ['main'] })
  assert.deepEqual([listeners('low'), listeners('main')], [[], [own]])
  const { body } = await put({ recipientId, token: fresh, replaces: own, topics: ['main'] })
  assert.ok(listeners('main').includes(fresh))
  assert.deepEqual(body.topics, ['main'])
  for (let count = 0; count < 2; count++) assert.equal((await devices.request(`DELETE /v1/devices/${body.id}`)).status, 200)
  assert.equal(listeners('main').includes(fresh), false)
  assert.equal((await of(recipientId)).length, 0)
})

test('while FCM is away a subscription comes with the repetition', async () => {
  const recipientId = await stage.recipient()
  const own = token()
  stage.providers.push.fault({ kind: 'status', status: 500, body: { error: { status: 'INTERNAL' } } })
  assert.equal((await put({ recipientId, token: own, topics: ['later'] })).status, 502)
  assert.deepEqual((await put({ recipientId, token: own, topics: ['later'] })).body.topics, ['later'])
  assert.ok(stage.providers.push.topics.get('later')?.has(own))
})

test('an unknown recipient and a token that is none are refused by name', async () => {
  const unknown = await put({ recipientId: randomUUID(), token: token() })
  assert.equal(unknown.status, 404)
  const wrong = await devices.request<{ errors: { field: string }[] }>('PUT /v1/devices', {
    body: { recipientId: randomUUID(), token: 'x y' },
  })
  assert.deepEqual([wrong.status, wrong.body.errors[0]?.field], [422, 'token'])
})
