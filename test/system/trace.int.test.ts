import assert from 'node:assert/strict'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { retailer } from '../../local/issuer.ts'
import { removeServicesData } from '../../local/services/start.ts'
import { type System, startSystem } from '../../local/system.ts'
import { readBody } from '../../shared/function/body.ts'

interface Span {
  service: string
  name: string
  traceId: string
  spanId: string
  parentSpanId?: string
  kind: number
  status?: { code?: number }
}

interface ExportRequest {
  resourceSpans: {
    resource: { attributes: { key: string; value: { stringValue?: string } }[] }
    scopeSpans: { spans: Omit<Span, 'service'>[] }[]
  }[]
}

const kind = { server: 2, client: 3, consumer: 5 }
const spans: Span[] = []
let collector: Server
let system: System
let dataDir: string

/** A collector as OTLP over HTTP wants one (https://opentelemetry.io/docs/specs/otlp/#otlphttp), in JSON. */
async function startCollector(): Promise<string> {
  collector = createServer(async (request, response) => {
    const raw = await readBody(request, 10_000_000)
    const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw
    for (const { resource, scopeSpans } of (JSON.parse(body.toString()) as ExportRequest).resourceSpans) {
      const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? ''
      for (const scope of scopeSpans) spans.push(...scope.spans.map(span => ({ ...span, service })))
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  await new Promise<void>(resolve => collector.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(collector.address() as AddressInfo).port}`
}

before(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'tidemark-trace-'))
  system = await startSystem({
    dataDir,
    ports: 'free',
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: await startCollector() },
    say: () => {},
  })
})
after(async () => {
  await system?.stop()
  collector.close()
  collector.closeAllConnections()
  await removeServicesData(join(dataDir, 'services'))
  await rm(dataDir, { recursive: true, force: true })
})

let token: string | undefined
async function ask<T>(method: string, path: string, body?: unknown): Promise<{ status: number; body: T }> {
  token ??= await newToken()
  const answer = await fetch(system.gatewayUrl + path, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: answer.status, body: (await answer.json()) as T }
}

async function newToken(): Promise<string> {
  const answer = await fetch(system.tokenUrl, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${retailer.id}:${retailer.secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  })
  return ((await answer.json()) as { access_token: string }).access_token
}

/** Asks until it is so; functions start on demand and spans are sent every 5 s. */
async function eventually<T>(what: string, ask: () => T | Promise<T>, isIt: (value: T) => boolean): Promise<T> {
  const end = Date.now() + 40_000
  for (;;) {
    const value = await ask()
    if (isIt(value)) return value
    if (Date.now() > end) throw new Error(`not within 40 s: ${what}; it is ${JSON.stringify(value)}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

const spanOf = (within: readonly Span[], service: string, name: string): Span | undefined =>
  within.find(span => span.service === service && span.name === name)

test('one trace tells the whole way of a sale and of the alert that it causes', async () => {
  const sku = 'TRACED-1'
  const threshold = await ask('PUT', '/v1/thresholds', { thresholds: [{ sku, level: 5 }] })
  assert.equal(threshold.status, 200)
  const received = await ask('POST', '/v1/stock/receipts', { lines: [{ sku, quantity: 10 }] })
  assert.equal(received.status, 201)
  await eventually(
    'the receipt has been evaluated',
    () => ask<{ drained: boolean }>('GET', '/v1/events/backlog'),
    ({ body }) => body.drained,
  )

  const placed = await ask<{ id: string }>('POST', '/v1/orders', {
    lines: [{ sku, quantity: 6, unitPrice: 255 }],
    currency: 'GBP',
    payment: { token: 'tok_visa' },
  })
  assert.equal(placed.status, 201)
  await eventually(
    'the mail is sent',
    () => ask<{ sent: number }>('GET', '/v1/notifications/summary'),
    ({ body }) => body.sent === 1,
  )
  await eventually(
    'the order is settled',
    () => ask<{ state: string }>('GET', `/v1/orders/${placed.body.id}`),
    ({ body }) => body.state === 'confirmed',
  )

  const traceOf = () => {
    const root = spanOf(spans, 'gateway', 'orders-place')
    return spans.filter(({ traceId }) => traceId === root?.traceId)
  }
  const last = [
    ['gateway', 'orders-place'],
    ['orders-place', 'orders-place'],
    ['orders-place', 'POST inventory'],
    ['inventory', 'stock-reserve'],
    ['alerts-evaluate', 'alerts-evaluate'],
    ['notifications-plan', 'notifications-plan'],
    ['notifications-send', 'notifications-send'],
    ['payments-charge', 'payments-charge'],
    ['orders-settle', 'orders-settle'],
    ['orders-settle', 'POST inventory'],
    ['inventory', 'reservation-commit'],
  ] as const
  const missing = () => last.filter(([service, name]) => !spanOf(traceOf(), service, name)).map(names => names.join(' '))
  await eventually('the whole trace is collected', missing, names => names.length === 0)

  const trace = traceOf()
  const at = (service: string, name = service) => spanOf(trace, service, name) as Span
  const parents: [Span, Span][] = [
    [at('orders-place'), at('gateway', 'orders-place')],
    [at('orders-place', 'POST inventory'), at('orders-place')],
    [at('inventory', 'stock-reserve'), at('orders-place', 'POST inventory')],
    [at('alerts-evaluate'), at('inventory', 'stock-reserve')],
    [at('notifications-plan'), at('alerts-evaluate')],
    [at('notifications-send'), at('notifications-plan')],
    [at('payments-charge'), at('orders-place')],
    [at('orders-settle'), at('payments-charge')],
    [at('orders-settle', 'POST inventory'), at('orders-settle')],
    [at('inventory', 'reservation-commit'), at('orders-settle', 'POST inventory')],
  ]
  for (const [child, parent] of parents) {
    assert.equal(child.parentSpanId, parent.spanId, `${child.service} ${child.name} is below ${parent.service} ${parent.name}`)
  }
  const root = at('gateway', 'orders-place')
  assert.equal(root.parentSpanId || undefined, undefined)
  const ids = new Set(trace.map(({ spanId }) => spanId))
  assert.equal(ids.size, trace.length, 'a span is told once')
  for (const span of trace) if (span !== root) assert.ok(ids.has(span.parentSpanId ?? ''), `${span.service} ${span.name}`)

  assert.equal(root.kind, kind.server)
  assert.equal(at('orders-place', 'POST inventory').kind, kind.client)
  assert.equal(at('alerts-evaluate').kind, kind.consumer)
  for (const { status, name } of trace) assert.notEqual(status?.code, 2, `${name} did not fail`)
})
