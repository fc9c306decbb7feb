import assert from 'node:assert/strict'
import { test } from 'node:test'
import { childOf, formatTraceparent, parseTraceparent, spanSink } from './trace.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const spanId = 'b7ad6b7169203331'

test('the examples of W3C Trace Context are understood', () => {
  assert.deepEqual(parseTraceparent(`00-${traceId}-${spanId}-01`), { traceId, spanId, sampled: true })
  assert.deepEqual(parseTraceparent(`00-${traceId}-${spanId}-00`), { traceId, spanId, sampled: false })
  assert.equal(parseTraceparent(`00-${traceId}-${spanId}-09`)?.sampled, true, 'unknown flags are ignored')
})

test('a header that the specification calls invalid begins a new trace', () => {
  const invalid = [
    undefined,
    '',
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${traceId}-${spanId}`,
    `00-${traceId}-${spanId}-01-extra`,
    `ff-${traceId}-${spanId}-01`,
    `00-${traceId.slice(1)}-${spanId}-01`,
  ]
  for (const text of invalid) assert.equal(parseTraceparent(text), undefined, text)
})

test('a version of the future is read as far as it is known', () => {
  assert.deepEqual(parseTraceparent(`01-${traceId}-${spanId}-01-what-comes-later`), { traceId, spanId, sampled: true })
  assert.deepEqual(parseTraceparent(`cc-${traceId}-${spanId}-01`), { traceId, spanId, sampled: true })
  assert.equal(parseTraceparent(`cc-${traceId}-${spanId}-01.what`), undefined)
})

test('a child stays in the trace with a span of its own, and keeps the decision to sample', () => {
  const parent = { traceId, spanId, sampled: false }
  const child = childOf(parent)
  assert.equal(child.traceId, traceId)
  assert.notEqual(child.spanId, spanId)
  assert.equal(child.sampled, false)
})

test('work without a parent begins a trace whose position can be sent on', () => {
  const first = childOf(undefined)
  assert.deepEqual(parseTraceparent(formatTraceparent(first)), first)
  assert.notEqual(childOf(undefined).traceId, first.traceId)
})

test('without a collector spans cost nothing and closing works', async () => {
  await spanSink({ endpoint: undefined, service: 'test', failed: () => {} }).close()
})
