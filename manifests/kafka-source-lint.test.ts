import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { declaredFunctions } from './declared.ts'
import { type KafkaSourceDocument, lintKafkaSources } from './kafka-source-lint.ts'

const functions = await declaredFunctions()
const folder = new URL('../kafka-sources/', import.meta.url)
const read = (file: string) => parse(readFileSync(new URL(file, folder), 'utf8')) as KafkaSourceDocument
const files = readdirSync(folder).filter(file => file.endsWith('.yaml') && file !== 'kustomization.yaml')

test('none of our sources has a trap in it', () => {
  assert.ok(files.length >= 6)
  assert.deepEqual(lintKafkaSources(files.map(read), functions), [])
})

/** A good source with one thing changed. */
function changed(change: (spec: Record<string, unknown> & { delivery: Record<string, unknown> }) => void): string[] {
  const source = structuredClone(read('orders-settle.yaml'))
  change(source.spec as never)
  return lintKafkaSources([source], functions)
}

const traps: Record<string, [(spec: Record<string, unknown> & { delivery: Record<string, unknown> }) => void, RegExp]> = {
  'a group without a name': [spec => delete spec.consumerGroup, /consumerGroup is not named/],
  'the default offset': [spec => delete spec.initialOffset, /initialOffset is not earliest/],
  'the newest offset': [spec => Object.assign(spec, { initialOffset: 'latest' }), /initialOffset is not earliest/],
  'no word about order': [spec => delete spec.ordering, /ordering is not said/],
  'more consumers than partitions': [spec => Object.assign(spec, { consumers: 13 }), /consumers is not 1 to 12/],
  'two topics': [spec => Object.assign(spec, { topics: ['payments', 'orders'] }), /topics is not exactly one/],
  'a topic that nobody makes': [spec => Object.assign(spec, { topics: ['invoices'] }), /there is no topic invoices/],
  'a topic that the function does not handle': [
    spec => Object.assign(spec, { topics: ['stock'] }),
    /orders-settle handles the topic payments/,
  ],
  'no brokers': [spec => Object.assign(spec, { bootstrapServers: [] }), /bootstrapServers is empty/],
  'no delivery at all': [spec => Object.assign(spec, { delivery: undefined }), /delivery is absent/],
  'a sink that is no handler': [
    spec => Object.assign(spec, { sink: { ref: { kind: 'Service', name: 'orders-read' } } }),
    /orders-read is no function that handles events/,
  ],
  'no retry': [spec => Object.assign(spec.delivery, { retry: 0 }), /delivery.retry is not a count/],
  'an unknown backoff': [spec => Object.assign(spec.delivery, { backoffPolicy: 'fibonacci' }), /neither exponential nor linear/],
  'a delay that is no duration': [
    spec => Object.assign(spec.delivery, { backoffDelay: '200ms' }),
    /backoffDelay is not a duration/,
  ],
  'a partition that stands still': [spec => Object.assign(spec.delivery, { retry: 12 }), /retries wait 1638 s in all/],
  'an answer that is not waited for': [spec => Object.assign(spec.delivery, { timeout: 'PT20S' }), /handled twice at once/],
  'dead letters sent to a function that keeps none': [
    spec => Object.assign(spec.delivery, { deadLetterSink: { ref: { kind: 'Service', name: 'orders-settle' } } }),
    /orders-settle keeps no dead letters/,
  ],
}
for (const [trap, [change, problem]] of Object.entries(traps)) {
  test(`${trap} is found`, () => assert.match(changed(change).join('\n'), problem))
}

test('every field of delivery must be said, for one that is left out gets no default', () => {
  for (const field of ['retry', 'backoffPolicy', 'backoffDelay', 'timeout', 'deadLetterSink']) {
    const problems = changed(spec => delete spec.delivery[field])
    assert.ok(
      problems.some(problem => problem.includes(`delivery.${field} is not said`)),
      field,
    )
  }
})

test('two sources of one group are found, each of which would get a part of the events', () => {
  const source = read('orders-settle.yaml')
  const problems = lintKafkaSources([source, { ...source, metadata: { name: 'another' } }], functions)
  assert.ok(problems.some(problem => problem.startsWith('another: shares the consumer group')))
})

test('dead letters must go to a function that is always awake', () => {
  const asleep = functions.map(fn => (fn.name === 'dead-letters' ? { ...fn, scale: { ...fn.scale, min: 0 } } : fn))
  assert.match(lintKafkaSources([read('orders-settle.yaml')], asleep).join(), /may be asleep/)
})

test('an unordered source may wait long: nobody stands behind its event', () => {
  assert.deepEqual(
    changed(spec => Object.assign(spec, { ordering: 'unordered', delivery: { ...spec.delivery, retry: 12 } })),
    [],
  )
})
