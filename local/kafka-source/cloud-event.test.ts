import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KafkaMessage } from 'kafkajs'
import { cloudEventOf } from './cloud-event.ts'

const place = { name: 'orders-settle', topic: 'payments', partition: 3 }

const record = (fields: Partial<KafkaMessage>): KafkaMessage =>
  ({
    key: Buffer.from('order-7'),
    value: Buffer.from([0, 0, 0, 0, 9, 200]),
    timestamp: '1767225600000',
    offset: '41',
    attributes: 0,
    ...fields,
  }) as KafkaMessage

const attributes = {
  ce_specversion: '1.0',
  ce_id: '0197',
  ce_type: 'tidemark.payment.succeeded.v1',
  ce_source: '/tidemark/payments',
}

test('a record with complete attributes is delivered as that event in binary mode, its bytes unchanged', () => {
  const value = Buffer.from([0, 0, 0, 0, 9, 200, 255, 10])
  const { headers, body } = cloudEventOf(
    record({ value, headers: { ...attributes, ce_subject: 'order-7', 'content-type': Buffer.from('application/avro') } }),
    place,
  )
  assert.deepEqual(headers, {
    'ce-specversion': '1.0',
    'ce-id': '0197',
    'ce-type': 'tidemark.payment.succeeded.v1',
    'ce-source': '/tidemark/payments',
    'ce-subject': 'order-7',
    'content-type': 'application/avro',
    'ce-knativekafkapartition': '3',
    'ce-knativekafkaoffset': '41',
  })
  assert.deepEqual(body, value)
})

test("the record's key and every header that is no attribute are dropped: what a consumer needs is an extension", () => {
  const { headers } = cloudEventOf(record({ headers: { ...attributes, ce_traceparent: '00-a-b-01', tenant: 'north' } }), place)
  assert.equal(headers['ce-traceparent'], '00-a-b-01')
  assert.ok(!Object.values(headers).includes('north'))
  assert.equal(headers['ce-key'], undefined)
})

test('attributes are found whatever the case of their header', () => {
  const shouted = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name.toUpperCase(), value]))
  assert.equal(cloudEventOf(record({ headers: shouted }), place).headers['ce-type'], 'tidemark.payment.succeeded.v1')
})

test('a record that lacks an attribute becomes an event of Kafka itself, with its key and headers as extensions', () => {
  const { ce_id: _, ...incomplete } = attributes
  const { headers, body } = cloudEventOf(record({ headers: { ...incomplete, 'X-Tenant_1': 'north' } }), place)
  assert.deepEqual(headers, {
    'ce-specversion': '1.0',
    'ce-type': 'dev.knative.kafka.event',
    'ce-source': '/apis/v1/namespaces/tidemark/kafkasources/orders-settle#payments',
    'ce-id': 'partition:3/offset:41',
    'ce-time': '2026-01-01T00:00:00.000Z',
    'ce-subject': 'partition:3#41',
    'ce-key': 'order-7',
    'ce-kafkaheaderxtenant1': 'north',
    'ce-kafkaheadercespecversion': '1.0',
    'ce-kafkaheadercetype': 'tidemark.payment.succeeded.v1',
    'ce-kafkaheadercesource': '/tidemark/payments',
    'ce-knativekafkapartition': '3',
    'ce-knativekafkaoffset': '41',
  })
  assert.equal(body.length, 6)
})

test('a record without headers or key is an event too', () => {
  const { headers } = cloudEventOf(record({ key: null }), place)
  assert.equal(headers['ce-type'], 'dev.knative.kafka.event')
  assert.equal(headers['ce-key'], undefined)
})

test('a tombstone is an event with an empty body', () => {
  assert.equal(cloudEventOf(record({ value: null, headers: attributes }), place).body.length, 0)
  assert.equal(cloudEventOf(record({ value: null }), place).body.length, 0)
})
