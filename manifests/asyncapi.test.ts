import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { consumerGroupOf, eventTypes, topicOf } from '../shared/events/catalog.ts'
import { declaredFunctions } from './declared.ts'

interface Reference {
  $ref: string
}

const text = readFileSync(new URL('../asyncapi.json', import.meta.url), 'utf8')
const document = JSON.parse(text) as {
  asyncapi: string
  info: { title: string; version: string }
  channels: Record<string, { address: string; messages: Record<string, Reference> }>
  operations: Record<
    string,
    {
      action: 'send' | 'receive'
      channel: Reference
      messages?: Reference[]
      bindings?: { kafka: { groupId: { enum: string[] } } }
    }
  >
  components: { messages: Record<string, { name: string; payload: { schemaFormat: string; schema: unknown } }> }
}

/** What a JSON pointer of the document names, through references. */
function at(pointer: string): unknown {
  const found = pointer
    .slice(2)
    .split('/')
    .reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], document)
  const reference = (found as Reference | undefined)?.$ref
  return reference ? at(reference) : found
}

test('the document is of AsyncAPI 3.0: its root, channels and operations have what the specification requires', () => {
  assert.match(document.asyncapi, /^3\.0\.\d+$/)
  assert.ok(document.info.title && document.info.version)
  for (const [name, channel] of Object.entries(document.channels)) {
    assert.match(name, /^[\w.-]+$/)
    assert.equal(channel.address, name)
    assert.ok(Object.keys(channel.messages).length > 0, name)
  }
  for (const [name, operation] of Object.entries(document.operations)) {
    assert.ok(['send', 'receive'].includes(operation.action), name)
    assert.match(operation.channel.$ref, /^#\/channels\/[\w.-]+$/, 'an operation refers to a channel of the root')
  }
})

test('every reference leads somewhere', () => {
  const references = [...text.matchAll(/"\$ref": "([^"]+)"/g)].map(match => match[1] as string)
  assert.ok(references.length > 0)
  for (const reference of references) assert.ok(at(reference), reference)
})

test('every event type appears once, on the topic that carries it', () => {
  const carried = Object.entries(document.channels).flatMap(([topic, { messages }]) =>
    Object.values(messages).map(({ $ref }) => ({ topic, type: (at($ref) as { name: string }).name })),
  )
  assert.deepEqual(carried.map(({ type }) => type).sort(), [...eventTypes].sort())
  for (const { topic, type } of carried) assert.equal(topic, topicOf(type as (typeof eventTypes)[number]))
  assert.equal(Object.keys(document.components.messages).length, eventTypes.length)
})

test('every message carries its Avro schema', () => {
  for (const [name, { payload }] of Object.entries(document.components.messages)) {
    assert.match(payload.schemaFormat, /avro/, name)
    assert.equal((payload.schema as { type: string }).type, 'record', name)
  }
})

test('every function that handles events receives them, of messages that its channel has, in its own consumer group', async () => {
  const receiving = Object.entries(document.operations).filter(([, { action }]) => action === 'receive')
  const handling = (await declaredFunctions()).filter(fn => fn.trigger)
  assert.deepEqual(receiving.map(([name]) => name).sort(), handling.map(fn => fn.name).sort())
  for (const [name, operation] of receiving) {
    const trigger = handling.find(fn => fn.name === name)?.trigger
    assert.deepEqual(operation.bindings?.kafka.groupId.enum, [consumerGroupOf(name)])
    const types = operation.messages?.map(({ $ref }) => {
      assert.ok($ref.startsWith(`${operation.channel.$ref}/messages/`), $ref)
      return (at($ref) as { name: string }).name
    })
    assert.deepEqual(types, trigger?.types)
  }
})
