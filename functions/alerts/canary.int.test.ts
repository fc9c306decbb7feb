import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, beforeEach, test } from 'node:test'
import { isEventType } from '../../shared/events/catalog.ts'
import { sealWith } from '../../shared/security/seal.ts'
import type { Started } from '../../test/environment.ts'
import { ownDatabase } from '../../test/own-database.ts'
import { alertsCanary } from './canary.ts'
import { evaluateAlerts } from './evaluate.ts'
import { readAlerts } from './read.ts'
import { setThresholds } from './set-thresholds.ts'

const { inventory } = await import('../inventory/inventory.ts')
const { readNotifications } = await import('../notifications/read.ts')

// Before the databases and functions end that they speak to: what is registered first, ends first.
let isOver = false
let carrying: Promise<void> | undefined
after(async () => {
  isOver = true
  await carrying
  door.close()
})

const SEALING_KEYS = `test:${'A'.repeat(43)}`
const [alerts, warehouse, told] = await Promise.all([
  ownDatabase('alerts'),
  ownDatabase('inventory'),
  ownDatabase('notifications'),
])
const functions: Record<string, Started> = {
  inventory: await warehouse.start(inventory),
  'alerts-read': await alerts.start(readAlerts),
  'alerts-set-thresholds': await alerts.start(setThresholds),
  'notifications-read': await told.start(readNotifications, { SEALING_KEYS }),
}
const evaluation = await alerts.start(evaluateAlerts)

/** Every function at the path of its name, as on one machine. */
const door = createServer(async (request, response) => {
  const [, name = '', ...path] = (request.url ?? '').split('/')
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const { host: _host, connection: _connection, 'content-length': _length, ...headers } = request.headers
  const answer = await fetch(`${functions[name]?.url}/${path.join('/')}`, {
    method: request.method ?? 'GET',
    headers: headers as Record<string, string>,
    ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
  })
  response.writeHead(answer.status, { 'content-type': 'application/json' }).end(Buffer.from(await answer.arrayBuffer()))
})
await new Promise<void>(resolve => door.listen(0, '127.0.0.1', resolve))
const FUNCTION_URL = `http://127.0.0.1:${(door.address() as AddressInfo).port}/{name}`

/** What lies between: the relay, and who sends. */
let isRelayed = true
let isSent = true
const recipient = await sealWith(() => SEALING_KEYS).seal('canary@example.com')
let lastChange = 0
let lastAlert = 0
async function carry(): Promise<void> {
  const changes = isRelayed
    ? await warehouse.sql<{ id: string; type: string; data: string }[]>`
        select id, type, data from outbox where id > ${lastChange} order by id`
    : []
  for (const { id, type, data } of changes) {
    if (isEventType(type)) await evaluation.deliver(type, JSON.parse(data))
    lastChange = Number(id)
  }
  const raised = await alerts.sql<{ id: string; alertId: string }[]>`
    select id, data::jsonb ->> 'alertId' as "alertId" from outbox
    where id > ${lastAlert} and type = 'tidemark.alert.raised.v1' order by id`
  for (const { id, alertId } of raised) {
    lastAlert = Number(id)
    if (!isSent) continue
    await told.sql`
      insert into notification (id, alert_id, dedup_key, channel, recipient, subject, state, traceparent, created_at, updated_at)
      values (${randomUUID()}, ${alertId}, ${`${alertId}${id}`}, 'email', ${recipient}, 'Canary', 'sent', '', now(), now())`
  }
}
carrying = (async () => {
  while (!isOver) {
    await carry()
    await new Promise(resolve => setTimeout(resolve, 20))
  }
})()

let sku: string
let canary: Started
let number = 0
const start = (env: Record<string, string> = {}) =>
  alerts.start(alertsCanary, { FUNCTION_URL, CANARY_SKU: sku, CANARY_DEADLINE: '5000', ...env })
beforeEach(async () => {
  ;[isRelayed, isSent] = [true, true]
  sku = `CANARY-${++number}`
  canary = await start()
})

const metric = async (name: string, of = canary) => {
  const text = await (await fetch(of.metricsUrl)).text()
  const line = text.split('\n').find(one => one.startsWith(`${name}{`))
  return line === undefined ? undefined : Number(line.split(' ').at(-1))
}
const onHand = async () => {
  const { body } = await (functions.inventory as Started).request<{ onHand: number }>(`GET /v1/stock/${sku}/canary`)
  return body.onHand
}
const raised = async () =>
  Number((await alerts.sql<{ count: string }[]>`select count(*) from alert where sku = ${sku}`)[0]?.count)

test('a canary is emptied, its alert delivered and measured, and its shelf filled again; so again and again', async () => {
  for (const runs of [1, 2]) {
    assert.equal(await canary.tick(), 204)
    assert.deepEqual([await metric('tidemark_canary_success'), await raised(), await onHand()], [1, runs, 10])
    const seconds = (await metric('tidemark_canary_breach_to_delivery_seconds')) ?? 0
    assert.ok(seconds > 0 && seconds < 5, `${seconds} s`)
  }
  const thresholds = await alerts.sql`select from threshold where sku = ${sku}`
  assert.equal(thresholds.length, 1)
})

test('what does not arrive in time is a failure that says how far it came, and the shelf is filled again', async () => {
  isSent = false
  assert.equal(await canary.tick(), 204)
  assert.deepEqual([await metric('tidemark_canary_success'), await onHand()], [0, 10])
  assert.ok(((await metric('tidemark_canary_breach_to_delivery_seconds')) ?? 0) >= 5)
  assert.equal(await metric('tidemark_canary_runs_total'), 1)
  assert.match(await (await fetch(canary.metricsUrl)).text(), /tidemark_canary_runs_total\{.*stage="delivery".*\} 1/)
  isSent = true
  await canary.tick()
  assert.equal(await metric('tidemark_canary_success'), 1)
})

test('a muted canary says so at once', async () => {
  const id = randomUUID()
  await alerts.sql`insert into silence (id, skus, starts_at, ends_at, comment, created_by, created_at)
    values (${id}, array[${sku}], now() - interval '1 minute', now() + interval '1 hour', 'x', 'x', now())`
  await canary.tick()
  assert.match(await (await fetch(canary.metricsUrl)).text(), /tidemark_canary_runs_total\{.*stage="alert".*\} 1/)
})

test('a run that was killed, wherever, leaves nothing that the next does not repair', async () => {
  await canary.tick()
  const stock = functions.inventory as Started
  await stock.request('POST /v1/stock/adjustments', {
    body: { lines: [{ sku, location: 'canary', delta: -10 }], reason: 'other' },
  })
  await alerts.sql`delete from threshold where sku = ${sku}`
  await canary.tick()
  assert.deepEqual([await metric('tidemark_canary_success'), await onHand()], [1, 10])
})

test('when the way is broken before the alert, that is where it ends', async () => {
  isRelayed = false
  await canary.tick()
  assert.match(await (await fetch(canary.metricsUrl)).text(), /tidemark_canary_runs_total\{.*stage="alert".*\} 1/)
})

test('without a SKU of its own there is no canary', async () => {
  const none = await alerts.start(alertsCanary, { FUNCTION_URL })
  assert.equal(await none.tick(), 204)
  assert.equal(await metric('tidemark_canary_success', none), undefined)
})
