import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Delivery } from './cloud-event.ts'
import { backoff, type DeliveryRules, deliver, milliseconds, type SinkAnswer } from './deliver.ts'

const rules: DeliveryRules = { retry: 3, backoffPolicy: 'exponential', backoffDelay: 200, timeout: 30_000 }
const event: Delivery = { headers: { 'ce-id': '1', 'ce-type': 'tidemark.order.placed.v1' }, body: Buffer.from('bytes') }
const ok: SinkAnswer = { status: 204, body: '' }

/** A function and a dead-letter sink that give these answers one after the other, and a clock that only notes how long it was asked to wait. */
function world(given: { answers?: (SinkAnswer | Error)[]; burials?: (SinkAnswer | Error)[]; stopAfter?: number }) {
  const sent: { delivery: Delivery; timeout: number }[] = []
  const buried: Delivery[] = []
  const waits: number[] = []
  const next = (answers: (SinkAnswer | Error)[], index: number): Promise<SinkAnswer> => {
    const answer = answers[Math.min(index, answers.length - 1)] ?? ok
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer)
  }
  return {
    sent,
    buried,
    waits,
    destination: 'orders-settle',
    send: (delivery: Delivery, timeout: number) => next(given.answers ?? [ok], sent.push({ delivery, timeout }) - 1),
    bury: (delivery: Delivery) => next(given.burials ?? [ok], buried.push(delivery) - 1),
    pause: async (wait: number) => void waits.push(wait),
    stopped: () => sent.length + buried.length >= (given.stopAfter ?? Number.POSITIVE_INFINITY),
  }
}

test('an event that is taken at once is delivered once, with the time-out of its source', async () => {
  const to = world({})
  assert.equal(await deliver(event, rules, to), 'delivered')
  assert.deepEqual(to.sent, [{ delivery: event, timeout: 30_000 }])
  assert.deepEqual(to.waits, [])
})

test('a server error and what means "not yet" are tried again', async () => {
  for (const status of [500, 502, 503, 504, 404, 408, 409, 429]) {
    const to = world({ answers: [{ status, body: '' }, ok] })
    assert.equal(await deliver(event, rules, to), 'delivered', String(status))
    assert.equal(to.sent.length, 2, String(status))
  }
})

test('no answer at all is tried again', async () => {
  const to = world({ answers: [new Error('no answer within 30000 ms'), ok] })
  assert.equal(await deliver(event, rules, to), 'delivered')
})

test('a permanent fault is dead-lettered at once, with where, what and why', async () => {
  for (const status of [301, 400, 401, 403, 405, 410, 413, 415, 422]) {
    const to = world({ answers: [{ status, body: '{"code":"invalid_input",\n"detail":"größer"}' }] })
    assert.equal(await deliver(event, rules, to), 'dead-lettered', String(status))
    assert.equal(to.sent.length, 1, String(status))
    assert.deepEqual(to.waits, [])
    assert.deepEqual(to.buried, [
      {
        body: event.body,
        headers: {
          ...event.headers,
          'ce-knativeerrordest': 'orders-settle',
          'ce-knativeerrorcode': String(status),
          'ce-knativeerrordata': '{"code":"invalid_input", "detail":"gr er"}',
        },
      },
    ])
  }
})

test('the reason in the dead letter is short enough for a header', async () => {
  const to = world({ answers: [{ status: 422, body: 'x'.repeat(5_000) }] })
  await deliver(event, rules, to)
  assert.equal(to.buried[0]?.headers['ce-knativeerrordata']?.length, 1_000)
})

test('an event that no try delivers is dead-lettered after the last retry', async () => {
  const to = world({ answers: [{ status: 503, body: 'busy' }] })
  assert.equal(await deliver(event, rules, to), 'dead-lettered')
  assert.equal(to.sent.length, 4, 'one try and three retries')
  assert.deepEqual(to.waits, [400, 800, 1_600])
  assert.equal(to.buried[0]?.headers['ce-knativeerrorcode'], '503')
})

test('exponential backoff is the delay times 2ⁿ from n = 1, linear is the delay times n', () => {
  const waits = (backoffPolicy: DeliveryRules['backoffPolicy']) => [1, 2, 3, 8].map(n => backoff({ ...rules, backoffPolicy }, n))
  assert.deepEqual(waits('exponential'), [400, 800, 1_600, 51_200])
  assert.deepEqual(waits('linear'), [200, 400, 600, 1_600])
})

test('without retries the first failure is the last', async () => {
  const to = world({ answers: [{ status: 500, body: '' }] })
  assert.equal(await deliver(event, { ...rules, retry: 0 }, to), 'dead-lettered')
  assert.equal(to.sent.length, 1)
})

test('a dead-letter sink that is away for a moment is tried again', async () => {
  const to = world({ answers: [{ status: 422, body: '' }], burials: [{ status: 503, body: '' }, new Error('reset'), ok] })
  assert.equal(await deliver(event, rules, to), 'dead-lettered')
  assert.equal(to.buried.length, 3)
  assert.deepEqual(to.waits, [400, 800])
})

test('what the dead-letter sink does not take either is lost', async () => {
  const refused = world({ answers: [{ status: 422, body: '' }], burials: [{ status: 400, body: '' }] })
  assert.equal(await deliver(event, rules, refused), 'lost')
  assert.equal(refused.buried.length, 1)
  const away = world({ answers: [{ status: 422, body: '' }], burials: [{ status: 503, body: '' }] })
  assert.equal(await deliver(event, rules, away), 'lost')
  assert.equal(away.buried.length, 4)
})

test('a dispatcher that is stopped leaves the event in Kafka: neither delivered nor dead-lettered', async () => {
  assert.equal(await deliver(event, rules, world({ stopAfter: 0 })), 'stopped')
  const trying = world({ answers: [{ status: 503, body: '' }], stopAfter: 2 })
  assert.equal(await deliver(event, rules, trying), 'stopped')
  assert.deepEqual([trying.sent.length, trying.buried.length], [2, 0])
  const exhausted = world({ answers: [{ status: 503, body: '' }], stopAfter: 4 })
  assert.equal(await deliver(event, rules, exhausted), 'stopped', 'the failures may be those of the functions being stopped')
  assert.equal(exhausted.buried.length, 0)
  const burying = world({ answers: [{ status: 422, body: '' }], burials: [{ status: 503, body: '' }], stopAfter: 2 })
  assert.equal(await deliver(event, rules, burying), 'stopped')
})

test('durations are read as manifests write them', () => {
  assert.deepEqual(
    ['PT0.2S', 'PT30S', 'PT2M', 'PT1H30M', 'PT1M0.5S'].map(milliseconds),
    [200, 30_000, 120_000, 5_400_000, 60_500],
  )
  for (const wrong of ['30s', 'P1D', '200', '', 'PT', 'PT.S']) {
    assert.throws(() => milliseconds(wrong), /is not a duration/, wrong)
  }
})
