import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import { readBody } from '../../shared/function/body.ts'
import { type Started, startFunction } from '../../test/environment.ts'
import { publishAlerts } from './publish.ts'

interface Offered {
  path: string
  headers: IncomingHttpHeaders
  body: string
}

let broker: Server
let publishing: Started
let offered: Offered[] = []
let status = 202

before(async () => {
  broker = createServer(async (request, response) => {
    const body = (await readBody(request, 100_000)).toString()
    offered.push({ path: request.url ?? '', headers: request.headers, body })
    response.writeHead(status).end()
  })
  await new Promise<void>(resolve => broker.listen(0, '127.0.0.1', resolve))
  const { port } = broker.address() as AddressInfo
  publishing = await startFunction(publishAlerts, { ALERTS_BROKER_URL: `http://127.0.0.1:${port}/tidemark/alerts` })
})
after(async () => {
  await publishing.stop()
  broker.close()
})
beforeEach(() => {
  offered = []
  status = 202
})

const alert = { alertId: randomUUID(), sku: '85123A', location: 'main', available: 3, stockVersion: 7 }
const raised = {
  ...{ ...alert, severity: 'low' as const, threshold: 12, raisedAt: 1_767_225_600_000, telling: 1 },
  ...{ category: null, rule: 'absolute', suggestedOrder: null, muted: null },
} as const

test('an alert is offered to the Broker as JSON, with what a Trigger may filter by as attributes', async () => {
  const id = randomUUID()
  assert.equal(await publishing.deliver('tidemark.alert.raised.v1', raised, { id }), 204)
  const [{ path, headers, body } = {} as Offered] = offered
  assert.equal(path, '/tidemark/alerts')
  assert.deepEqual(
    ['id', 'type', 'source', 'subject', 'sku', 'location', 'severity', 'specversion'].map(name => headers[`ce-${name}`]),
    [id, 'tidemark.alert.raised.v1', '/tidemark/alerts', alert.alertId, '85123A', 'main', 'low', '1.0'],
  )
  assert.match(headers['content-type'] ?? '', /^application\/json/)
  assert.deepEqual(JSON.parse(body), raised)
})

test('the end of an alert is offered too, and has no severity', async () => {
  const resolved = { ...alert, resolvedAt: 1_767_225_600_000, resolvedBy: null }
  assert.equal(await publishing.deliver('tidemark.alert.resolved.v1', resolved), 204)
  assert.equal(offered[0]?.headers['ce-type'], 'tidemark.alert.resolved.v1')
  assert.equal(offered[0]?.headers['ce-severity'], undefined)
  assert.deepEqual(JSON.parse(offered[0]?.body ?? ''), resolved)
})

test('that somebody is at it, and that nobody is, are offered too', async () => {
  const { alertId, sku, location } = alert
  const acknowledged = { alertId, sku, location, acknowledgedAt: 1_767_225_600_000, acknowledgedBy: 'ann' }
  const escalated = {
    ...{ alertId, sku, location, severity: 'low' as const, available: 3, threshold: 12, category: null, policyId: randomUUID() },
    ...{ step: 1, targets: ['role:buyer'], channels: [], escalatedAt: 1_767_225_600_000 },
  }
  assert.equal(await publishing.deliver('tidemark.alert.acknowledged.v1', acknowledged), 204)
  assert.equal(await publishing.deliver('tidemark.alert.escalated.v1', escalated), 204)
  assert.deepEqual(
    offered.map(({ headers }) => [headers['ce-type'], headers['ce-severity']]),
    [
      ['tidemark.alert.acknowledged.v1', undefined],
      ['tidemark.alert.escalated.v1', 'low'],
    ],
  )
  assert.deepEqual(JSON.parse(offered[1]?.body ?? ''), escalated)
})

test('a Broker that does not take the event is tried again by the source, whatever it answered', async () => {
  for (const answer of [404, 429, 500, 503]) {
    status = answer
    assert.equal(await publishing.deliver('tidemark.alert.raised.v1', raised), 503, String(answer))
  }
})
