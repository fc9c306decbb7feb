import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
import avro from 'avsc'
import fc from 'fast-check'
import { request, serviceUrls, startFunction } from '../../test/environment.ts'
import { Rejected, Transient } from '../errors.ts'
import { event } from '../function/declare.ts'
import { schemaOf } from './catalog.ts'
import { eventCodec } from './codec.ts'
import type { EventData } from './generated.ts'

const registryUrl = serviceUrls().registry
const registry = new SchemaRegistry({ host: registryUrl })
const codec = eventCodec(registryUrl)

const stock = (data: Partial<EventData['tidemark.stock.changed.v1']> = {}) => ({
  ...{ sku: '85123A', location: 'main', onHand: 12, reserved: 2, available: 10, version: 7, kind: 'reserve', reference: null },
  ...{ capacity: null, since: null, sold: null },
  ...data,
})

/** Bytes as a writer of another version of the schema makes them. */
async function writtenWith(schema: object, data: object): Promise<Buffer> {
  const { id } = await registry.register(
    { type: SchemaType.AVRO, schema: JSON.stringify(schema) },
    { subject: `writer-${randomUUID()}`, compatibility: COMPATIBILITY.NONE },
  )
  const header = Buffer.alloc(5)
  header.writeInt32BE(id, 1)
  return Buffer.concat([header, avro.Type.forSchema(schema as avro.Schema).toBuffer(data)])
}

interface RecordSchema {
  fields: { name: string; type: unknown; default?: unknown }[]
}
const ownSchema = (): RecordSchema => JSON.parse(schemaOf('tidemark.stock.changed.v1'))

test('an event comes back as it was, in the Confluent wire format', async () => {
  const encode = await codec.encoder('tidemark.stock.changed.v1')
  const bytes = encode(stock())
  assert.equal(bytes[0], 0)
  assert.equal(bytes.readInt32BE(1), await registry.getLatestSchemaId('tidemark.stock.changed.v1'))
  assert.deepEqual({ ...(await codec.decode('tidemark.stock.changed.v1', bytes)) }, stock())
  const count = fc.integer({ min: 0, max: 2 ** 40 })
  const data = fc.record({
    ...{ sku: fc.string(), location: fc.string(), kind: fc.string(), reference: fc.option(fc.string({ unit: 'grapheme' })) },
    ...{ onHand: count, reserved: count, version: count, available: fc.integer() },
    ...{ capacity: fc.option(count), since: fc.option(count), sold: fc.option(fc.integer()) },
  })
  await fc.assert(
    fc.asyncProperty(data, async given => {
      assert.deepEqual({ ...(await codec.decode('tidemark.stock.changed.v1', encode(given))) }, { ...given })
    }),
  )
})

test('a schema whose registration was interrupted before its compatibility was set is registered whole', async () => {
  const type = 'tidemark.payment.refunded.v1'
  const ask = async (method: string, path: string, body?: object) => {
    const headers = { 'content-type': 'application/vnd.schemaregistry.v1+json' }
    const answer = await fetch(`${registryUrl}/${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) })
    return { status: answer.status, body: (await answer.json()) as { compatibilityLevel?: string } }
  }
  await ask('DELETE', `subjects/${type}`)
  assert.equal((await ask('POST', `subjects/${type}/versions`, { schema: schemaOf(type) })).status, 200)
  assert.notEqual((await ask('GET', `config/${type}`)).body.compatibilityLevel, 'BACKWARD')
  await eventCodec(registryUrl).encoder(type)
  assert.equal((await ask('GET', `config/${type}`)).body.compatibilityLevel, 'BACKWARD')
})

test('an event of an older writer is read with our own schema', async () => {
  const older = ownSchema()
  older.fields = older.fields.filter(field => field.name !== 'reference')
  const { reference: _reference, ...data } = stock()
  const bytes = await writtenWith(older, data)
  assert.deepEqual({ ...(await codec.decode('tidemark.stock.changed.v1', bytes)) }, stock())
})

test('an event of a newer writer is read without what we do not know', async () => {
  const newer = ownSchema()
  newer.fields.push({ name: 'warehouseTemperature', type: 'double', default: 0 })
  const bytes = await writtenWith(newer, { ...stock({ reference: 'INV-1' }), warehouseTemperature: 4.5 })
  assert.deepEqual({ ...(await codec.decode('tidemark.stock.changed.v1', bytes)) }, stock({ reference: 'INV-1' }))
})

test('a schema that our readers could not read is refused by the registry', async () => {
  const broken = ownSchema()
  broken.fields.push({ name: 'supplier', type: 'string' })
  await codec.encoder('tidemark.stock.changed.v1')
  await assert.rejects(
    registry.register(
      { type: SchemaType.AVRO, schema: JSON.stringify(broken) },
      { subject: 'tidemark.stock.changed.v1', compatibility: COMPATIBILITY.BACKWARD },
    ),
    /incompatible/i,
  )
})

test('garbage is rejected, never tried again', async () => {
  const encode = await codec.encoder('tidemark.stock.changed.v1')
  const good = encode(stock())
  const other = await writtenWith({ type: 'record', name: 'Other', fields: [{ name: 'x', type: 'int' }] }, { x: 1 })
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from('{}'),
    good.subarray(0, 9),
    Buffer.concat([good, Buffer.from('more')]),
    other,
  ]) {
    await assert.rejects(codec.decode('tidemark.stock.changed.v1', bytes), Rejected)
  }
})

test('a schema that the registry does not have may come later, and so may the registry', async () => {
  const unknown = Buffer.from([0, 0x7f, 0xff, 0xff, 0xff, 1])
  await assert.rejects(codec.decode('tidemark.stock.changed.v1', unknown), Transient)
  await assert.rejects(eventCodec('http://127.0.0.1:1').encoder('tidemark.stock.changed.v1'), Transient)
})

test('an event that came as JSON is held to the same schema, with the field named', () => {
  assert.deepEqual(codec.fromJson('tidemark.stock.changed.v1', stock()), stock())
  assert.throws(
    () => codec.fromJson('tidemark.stock.changed.v1', stock({ version: 'seven' as unknown as number })),
    (error: Rejected) => JSON.stringify(error.details.errors) === '[{"field":"version"}]',
  )
})

test('a function decodes Avro that came in binary and in structured mode', async t => {
  const seen: unknown[] = []
  const reader = event({
    name: 'reader',
    summary: 'Reads',
    topic: 'stock',
    types: ['tidemark.stock.changed.v1'],
    uses: [],
    handle: async (_deps, { data }) => void seen.push({ ...data }),
  })
  const running = await startFunction(reader)
  t.after(() => running.stop())
  assert.equal(await running.deliver('tidemark.stock.changed.v1', stock()), 204)
  const bytes = (await codec.encoder('tidemark.stock.changed.v1'))(stock())
  const structured = await request(running.url, 'POST /', {
    headers: { 'content-type': 'application/cloudevents+json' },
    body: {
      ...{ specversion: '1.0', id: 'e-1', source: '/x', type: 'tidemark.stock.changed.v1', datacontenttype: 'application/avro' },
      data_base64: bytes.toString('base64'),
    },
  })
  assert.equal(structured.status, 204)
  assert.deepEqual(seen, [stock(), stock()])
})
