import assert from 'node:assert/strict'
import { test } from 'node:test'
import openapi from '../../openapi.json' with { type: 'json' }
import { routeTable } from './route-table.ts'

const target = (operationId: string, name: string) => ({ operationId, 'x-tidemark-function': name })
const route = routeTable({
  paths: {
    '/v1/orders': { get: target('orders-list', 'orders-read'), post: target('orders-place', 'orders-place') },
    '/v1/orders/{id}': { get: target('orders-get', 'orders-read'), parameters: [] },
    '/v1/orders/summary': { get: target('orders-summary', 'orders-read') },
    '/v1/orders/{id}/cancel': { post: target('orders-cancel', 'orders-cancel') },
    '/v1/stock/{sku}/{location}': { get: target('stock-get', 'inventory') },
    '/v1/stock/receipts': { post: target('stock-receive', 'inventory') },
  },
})
const operationOf = (method: string, path: string) => {
  const match = route(method, path)
  return match.kind === 'found' ? match.target.operation : match.kind
}

test('an operation that may take long is known with its deadline', () => {
  const long = routeTable({
    paths: { '/v1/stock/imports': { post: { ...target('stock-import', 'inventory-import'), 'x-tidemark-deadline': 570_000 } } },
  })
  assert.deepEqual(long('POST', '/v1/stock/imports'), {
    kind: 'found',
    target: { function: 'inventory-import', operation: 'stock-import', deadline: 570_000 },
  })
})

test('an operation that a signature opens is known as such', () => {
  const signed = { ...target('callbacks-ses', 'callbacks'), 'x-tidemark-signed': 'Signature' }
  assert.deepEqual(routeTable({ paths: { '/v1/callbacks/ses': { post: signed } } })('POST', '/v1/callbacks/ses'), {
    kind: 'found',
    target: { function: 'callbacks', operation: 'callbacks-ses', signed: true },
  })
})

test('a path leads to the function of its operation', () => {
  assert.deepEqual(route('POST', '/v1/orders'), {
    kind: 'found',
    target: { function: 'orders-place', operation: 'orders-place' },
  })
  assert.equal(operationOf('GET', '/v1/orders'), 'orders-list')
  assert.equal(operationOf('POST', '/v1/orders/7/cancel'), 'orders-cancel')
  assert.equal(operationOf('GET', '/v1/stock/85123A/main'), 'stock-get')
})

test('a fixed segment goes before a parameter: the summary of orders is not an order', () => {
  assert.equal(operationOf('GET', '/v1/orders/summary'), 'orders-summary')
  assert.equal(operationOf('GET', '/v1/orders/0197'), 'orders-get')
})

test('where the fixed segment leads nowhere, the parameter is tried', () => {
  assert.equal(operationOf('POST', '/v1/orders/summary/cancel'), 'orders-cancel')
  assert.equal(operationOf('GET', '/v1/stock/receipts/main'), 'stock-get')
})

test('a method that a path does not know is told which it knows', () => {
  assert.deepEqual(route('DELETE', '/v1/orders'), { kind: 'method_not_allowed', allow: ['GET', 'POST'] })
  assert.deepEqual(route('get', '/v1/orders/7'), { kind: 'method_not_allowed', allow: ['GET'] }, 'methods have their case')
})

test('other paths are not found', () => {
  for (const path of [
    '/',
    '',
    '/v1',
    '/v1/',
    '/v1/order',
    '/v1/orders/',
    '/v1/orders//cancel',
    '/v1/orders/7/cancel/now',
    '/V1/orders',
  ]) {
    assert.equal(operationOf('GET', path), 'not_found', path)
  }
})

test('what JavaScript knows of every object is no route', () => {
  for (const name of ['__proto__', 'constructor', 'toString']) assert.equal(operationOf('GET', `/v1/${name}`), 'not_found')
})

test('every operation that is described is routed to its function', () => {
  const real = routeTable(openapi)
  for (const [path, operations] of Object.entries(openapi.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const { operationId, 'x-tidemark-function': name } = operation as { operationId: string; 'x-tidemark-function': string }
      const match = real(method.toUpperCase(), path.replace(/\{\w+\}/g, 'x'))
      const target = match.kind === 'found' ? match.target : undefined
      assert.deepEqual([target?.function, target?.operation], [name, operationId], path)
    }
  }
})
