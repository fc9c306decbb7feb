import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asksToRetry, Calls, Unreachable } from './calls.ts'
import { type Answer, NoAnswer, type Request } from './http.ts'
import { progressLine, progressTo } from './progress.ts'
import { Timings } from './timings.ts'
import { AccessToken } from './token.ts'

const answer = (status: number, body: unknown = {}, headers: Record<string, string> = {}): Answer => ({
  ...{ status, headers, ms: 5, text: JSON.stringify(body) },
})

/** Answers to the API's calls in turn; the token server always answers. */
function scripted(...answers: (Answer | NoAnswer)[]) {
  let now = 0
  const pauses: number[] = []
  const sent: Request[] = []
  const timings = new Timings()
  const send = async (request: Request) => {
    if (request.url.pathname === '/token') return answer(200, { access_token: `t${sent.length}`, expires_in: 300 })
    sent.push(request)
    const next = answers[Math.min(sent.length, answers.length) - 1]!
    if (next instanceof NoAnswer) throw next
    return next
  }
  const surroundings = {
    now: () => now,
    random: () => 1,
    wait: async (ms: number) => {
      pauses.push(ms)
      now += ms
    },
  }
  const token = new AccessToken({ tokenUrl: 'http://t/token', clientId: 'a', clientSecret: 'b' }, send, () => now)
  const calls = new Calls('http://api/', { send, token, patience: 120_000, surroundings, log: timings })
  return { calls, sent, pauses, timings }
}

const order = { name: 'order', method: 'POST', path: '/v1/orders', body: { a: 1 }, key: 'run:order:1' } as const

test('no answer is followed by the same call with the same key, after ever longer pauses', async () => {
  const { calls, sent, pauses, timings } = scripted(new NoAnswer('reset'), answer(503), answer(201))
  assert.equal((await calls.make(order)).status, 201)
  assert.deepEqual(
    sent.map(request => [request.headers['idempotency-key'], request.body, request.url.href]),
    Array(3).fill(['run:order:1', '{"a":1}', 'http://api/v1/orders']),
  )
  assert.deepEqual(pauses, [100, 200])
  assert.equal(timings.retries, 2)
  assert.equal(timings.summary().order?.count, 1)
})

test('Retry-After decides the pause, with a little jitter on top', async () => {
  const { calls, pauses } = scripted(answer(429, {}, { 'retry-after': '2' }), answer(200))
  await calls.make(order)
  assert.deepEqual(pauses, [2500])
})

test('a call gives up after its patience and names the address', async () => {
  const { calls, pauses } = scripted(answer(503))
  await assert.rejects(
    calls.make(order),
    (error: Error) => error instanceof Unreachable && /gave up after \d+ tries: answered 503/.test(error.message),
  )
  const waited = pauses.reduce((sum, ms) => sum + ms, 0)
  assert.ok(waited <= 120_000 && waited > 110_000)
})

test('a rejected token is fetched anew, once', async () => {
  const { calls, sent } = scripted(answer(401), answer(200))
  assert.equal((await calls.make(order)).status, 200)
  assert.deepEqual(
    sent.map(request => request.headers.authorization),
    ['Bearer t0', 'Bearer t1'],
  )
})

test('a refusal is an answer; only a conflict that names a time is a first try still at work', () => {
  assert.deepEqual(
    [400, 404, 409, 422, 500].map(status => asksToRetry(answer(status))),
    [false, false, false, false, false],
  )
  assert.equal(asksToRetry(answer(409, {}, { 'retry-after': '1' })), true)
})

test('progress rewrites its line on a terminal and is a line each five seconds elsewhere', () => {
  const step = { done: 1, total: 9, ordersPerSecond: 3, short: 0, retries: 2, at: Date.UTC(2011, 0, 3) }
  assert.equal(progressLine(step), '2011-01-03  1/9 steps  3.0 orders/s  0 short  2 retries')
  const written = (isTTY: boolean) => {
    let now = 0
    const texts: string[] = []
    const progress = progressTo({ isTTY, write: text => texts.push(text) }, () => now)
    for (; now < 11_000; now += 1000) progress.show(step)
    return texts
  }
  assert.equal(written(false).length, 3)
  assert.ok(written(true).every(text => text.startsWith('\r')))
})
