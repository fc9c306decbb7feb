import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { beforeEach, test } from 'node:test'
import { sealWith } from '../../shared/security/seal.ts'
import { ownDatabase } from '../../test/own-database.ts'
import { alertsDue } from './due.ts'
import { escalationPolicies } from './escalation-policies.ts'
import { evaluateAlerts } from './evaluate.ts'
import { explainAlerts } from './explain.ts'
import { followCounts } from './follow-counts.ts'
import { respondToAlerts } from './respond.ts'
import { setThresholds } from './set-thresholds.ts'
import { silenceAlerts } from './silences.ts'

const { readNotifications } = await import('../notifications/read.ts')

const { sql, start } = await ownDatabase('alerts')
const told = await ownDatabase('notifications')
const SEALING_KEYS = `test:${'A'.repeat(43)}`
const notifications = await told.start(readNotifications, { SEALING_KEYS })
const [evaluation, thresholds, silencing, responding, policies, due, following, explaining, explainingAlone] = await Promise.all([
  start(evaluateAlerts),
  start(setThresholds),
  start(silenceAlerts),
  start(respondToAlerts),
  start(escalationPolicies),
  start(alertsDue),
  start(followCounts),
  start(explainAlerts, { FUNCTION_URL: notifications.url.replace('//', '//{name}@') }),
  start(explainAlerts, { FUNCTION_URL: 'http://{name}@127.0.0.1:1' }),
])

let sku: string
let number = 0
let version = 0
beforeEach(() => {
  sku = `SKU-${++number}`
})
const watch = () => thresholds.request('PUT /v1/thresholds', { body: { thresholds: [{ sku, level: 10, resolveAbove: 12 }] } })
async function see(available: number): Promise<void> {
  const data = {
    sku,
    location: 'main',
    onHand: available,
    reserved: 0,
    available,
    kind: 'reserve',
    reference: null,
    version: ++version,
  }
  assert.equal(await evaluation.deliver('tidemark.stock.changed.v1', data), 204)
}

interface Explained {
  alerting: boolean
  because: string
  checks: { check: string; result: string; because: string }[]
  stock: { available: number; evaluatedAt: string | null } | null
  thresholds: { rule: string; level: number; source: string; updatedBy: string }[]
  alerts: { id: string; state: string }[]
  silences: { id: string; comment: string }[]
  deliveries: { state: string; recipient: string }[] | null
}
async function explained(by = explaining): Promise<Explained & { results: Record<string, string> }> {
  const { status, body } = await by.request<Explained>(`GET /v1/alerts/explain?sku=${sku.toLowerCase()}&location=main`)
  assert.equal(status, 200, JSON.stringify(body))
  for (const { because } of body.checks)
    assert.ok(because.length > 10 && !because.includes('undefined') && !because.includes('null'), because)
  return { ...body, results: Object.fromEntries(body.checks.map(({ check, result }) => [check, result])) }
}
const standing = async () => (await explained()).alerts[0]?.id ?? ''

test('where nobody set a threshold and no stock was seen, that is what is said', async () => {
  const { results, alerting, because, deliveries } = await explained()
  assert.deepEqual([results.threshold, results.stock, results.evaluation, results.alert], ['none', 'never_seen', 'never', 'none'])
  assert.deepEqual([alerting, deliveries], [false, []])
  assert.match(because, /no threshold/)
})

test('stock above its level has no alert, and the figures say why; between level and hysteresis that is said', async () => {
  await watch()
  await see(40)
  const enough = await explained()
  assert.deepEqual([enough.results.level, enough.because], ['enough', '40 is above the level of 10.'])
  assert.deepEqual(
    [enough.stock?.available, enough.thresholds[0]?.level, enough.thresholds[0]?.source],
    [40, 10, 'this SKU at this location'],
  )
  assert.ok(Date.now() - Date.parse(enough.stock?.evaluatedAt ?? '') < 60_000)
  await see(11)
  assert.equal((await explained()).results.level, 'between')
})

test('an alert that stands is explained with what was told to whom', async () => {
  await watch()
  await see(8)
  const id = await standing()
  const recipient = await sealWith(() => SEALING_KEYS).seal('buyer@example.com')
  await told.sql`
    insert into notification (id, alert_id, dedup_key, channel, recipient, subject, state, traceparent, created_at, updated_at)
    values (${randomUUID()}, ${id}, ${id}, 'email', ${recipient}, 'Low', 'sent', '', now(), now())`
  const { alerting, because, results, deliveries, checks } = await explained()
  assert.equal(alerting, true)
  assert.match(because, /^An alert \(low\) stands since .* at 8 of 10; it was told 1 times\.$/)
  assert.deepEqual(
    [results.alert, results.deduplication, results.silence, results.inhibition],
    ['open', 'standing', 'none', 'none'],
  )
  assert.deepEqual(
    deliveries?.map(({ state, recipient }) => [state, recipient.includes('buyer@')]),
    [['sent', false]],
  )
  assert.equal(checks.at(-1)?.because, 'Of the alerts shown: 1 sent.')
})

test('when notifications are away the explanation says so, and all the rest', async () => {
  await watch()
  await see(8)
  const { results, deliveries, alerting, checks } = await explained(explainingAlone)
  assert.deepEqual([results.alert, results.deliveries, deliveries, alerting], ['open', 'unknown', null, true])
  assert.match(checks.at(-1)?.because ?? '', /could not be asked/)
})

test('notifications that never answer do not keep the rest of the explanation waiting', async () => {
  const silent = createServer(() => {})
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
  const waiting = await start(explainAlerts, {
    FUNCTION_URL: `http://{name}@127.0.0.1:${(silent.address() as AddressInfo).port}`,
  })
  await watch()
  await see(8)
  const asked = Date.now()
  const { results } = await explained(waiting)
  assert.deepEqual([results.alert, results.deliveries], ['open', 'unknown'])
  assert.ok(Date.now() - asked < 8_000)
  silent.closeAllConnections()
  silent.close()
})

test('a silence, a count and an escalation are named', async () => {
  await watch()
  await see(8)
  await policies.request('POST /v1/escalation-policies', {
    body: { name: sku, matchers: { sku: [sku] }, steps: [{ afterMinutes: 15, targets: ['role:buyer'] }] },
  })
  assert.equal((await explained()).results.escalation, 'waiting')
  await sql`update alert_history set at = at - interval '20 minutes'`
  await sql`update escalation_policy set updated_at = updated_at - interval '20 minutes'`
  await due.tick()
  assert.equal((await explained()).results.escalation, 'over')
  const countId = randomUUID()
  await following.deliver('tidemark.count.opened.v1', {
    ...{ countId, location: 'main', skus: [sku], skuPrefix: null, lines: 1, openedAt: Date.now() - 1_000 },
  })
  assert.deepEqual([(await explained()).results.inhibition, (await explained()).results.escalation], ['inhibited', 'stopped'])
  const { body } = await silencing.request('POST /v1/silences', {
    body: { matchers: { sku: [sku] }, minutes: 60, comment: 'Moving the shelf.' },
  })
  const { results, silences, checks } = await explained()
  assert.deepEqual([results.silence, results.inhibition, silences[0]?.id], ['active', 'inhibited', body.id])
  assert.match(checks.find(({ check }) => check === 'silence')?.because ?? '', /Moving the shelf/)
})

test('what a person resolved while the stock was low is quiet until it is worse or has recovered', async () => {
  await watch()
  await see(8)
  const id = await standing()
  await responding.request(`POST /v1/alerts/${id}/resolve`, { body: {} })
  const { alerting, results } = await explained()
  assert.deepEqual(
    [alerting, results.alert, results.deduplication, results.level],
    [false, 'resolved_by_person', 'quiet_until_worse', 'low'],
  )
  await see(0)
  await responding.request(`POST /v1/alerts/${await standing()}/resolve`, { body: {} })
  assert.equal((await explained()).results.deduplication, 'quiet_until_recovered')
  await see(20)
  assert.equal((await explained()).results.deduplication, 'free')
})

test('who asks for no SKU is told', async () => {
  const { status, body } = await explaining.request<{ errors: { field: string }[] }>('GET /v1/alerts/explain')
  assert.deepEqual([status, body.errors[0]?.field], [422, 'sku'])
})
