import assert from 'node:assert/strict'
import { type ClientRequest, type IncomingMessage, request as rawRequest } from 'node:http'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import { type Started, startFunction, until } from '../../test/environment.ts'
import { issueToken } from '../../test/token-issuer.ts'
import { Rejected } from '../errors.ts'
import { service } from './declare.ts'
import { StreamReply, streamOperation } from './operation.ts'

const define = streamOperation<unknown>()
const allow = ['stock:write'] as const
const seen = { read: 0, left: 0, aborted: 0, made: 0, ended: '' }

/** Text without an end, made as fast as it is taken. */
async function* endless() {
  try {
    for (;;) {
      seen.made++
      yield 'x'.repeat(64 * 1024)
    }
  } finally {
    seen.ended = 'yes'
  }
}

const river = service({
  name: 'river',
  summary: 'Streams both ways',
  uses: [],
  operations: [
    define({
      id: 'swallow',
      route: 'POST /v1/rivers/{id}',
      summary: 'Swallow',
      allow,
      idempotent: true,
      deadline: 2_000,
      bodyLimit: 1024 * 1024,
      streams: { takes: ['text/csv'] },
      input: z.strictObject({ id: z.string(), until: z.coerce.number().default(1e9) }),
      output: z.unknown(),
      async handle(_deps, { id, until: most }, call) {
        call.tell('location', `/v1/rivers/${id}`)
        call.signal.addEventListener('abort', () => seen.aborted++)
        seen.read = 0
        try {
          for await (const chunk of call.body) {
            seen.read += (chunk as Buffer).length
            if (seen.read > most) throw new Rejected('malformed_request', 'Enough.')
            if (id === 'slow') await new Promise(resolve => setTimeout(resolve, 10_000, undefined).unref())
          }
        } finally {
          seen.left++
        }
        return { read: seen.read, client: call.client, key: call.idempotencyKey }
      },
    }),
    define({
      id: 'flow',
      route: 'GET /v1/rivers',
      summary: 'Flow',
      allow,
      deadline: 30_000,
      streams: { takes: [], gives: 'text/csv' },
      input: z.strictObject({ rows: z.coerce.number().optional() }),
      output: z.string(),
      async handle(_deps, { rows }) {
        seen.made = 0
        seen.ended = ''
        if (rows === 0) throw new Rejected('not_found')
        if (rows === undefined) return new StreamReply(200, Readable.from(endless(), { highWaterMark: 1 }))
        const some = async function* () {
          for (let row = 1; row <= rows; row++) {
            if (row === 5) throw new Error('secret of the house')
            yield `${row}\n`
          }
        }
        return new StreamReply(200, Readable.from(some()), { etag: '"1"' })
      },
    }),
  ],
})

let running: Started
let token: string
before(async () => {
  running = await startFunction(river)
  token = `Bearer ${await issueToken({ client: 'shop' })}`
})
after(() => running.stop())

function open(method: string, path: string, headers: Record<string, string> = {}): ClientRequest {
  const asked = rawRequest(running.url + path, { method, agent: false, headers: { authorization: token, ...headers } })
  asked.on('error', () => {})
  return asked
}
const answerOf = (asked: ClientRequest) => new Promise<IncomingMessage>(resolve => asked.on('response', resolve))
async function textOf(answer: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of answer) text += chunk
  return text
}
const send = async (path: string, body: string, headers: Record<string, string> = {}) => {
  const asked = open('POST', path, { 'content-type': 'text/csv; charset=utf-8', ...headers })
  asked.end(body)
  const answer = await answerOf(asked)
  return { status: answer.statusCode, headers: answer.headers, body: JSON.parse(await textOf(answer)) }
}

test('a body is given to the handler as it comes, with the caller and the key', async () => {
  const { status, headers, body } = await send('/v1/rivers/7', 'a,b\n1,2\n', { 'idempotency-key': 'k' })
  assert.equal(status, 200)
  assert.deepEqual(body, { read: 8, client: 'shop', key: 'shop:k' })
  assert.equal(headers.location, '/v1/rivers/7')
})

test('scope, media type, query and size are checked as everywhere', async () => {
  const refusal = async (...asked: Parameters<typeof send>) => (await send(...asked)).body.code
  assert.equal(await refusal('/v1/rivers/7', 'x', { 'content-type': 'application/json' }), 'unsupported_media_type')
  assert.equal(await refusal('/v1/rivers/7?colour=red', 'x'), 'invalid_input')
  assert.equal(await refusal('/v1/rivers/7', 'x', { authorization: 'Bearer no' }), 'unauthenticated')
  const reader = `Bearer ${await issueToken({ scopes: ['stock:read'] })}`
  assert.equal(await refusal('/v1/rivers/7', 'x', { authorization: reader }), 'forbidden')
  assert.equal(await refusal('/v1/rivers/7', 'x'.repeat(1024 * 1024 + 1)), 'body_too_large')
})

test('a refusal in the middle of a body reaches the client that is still sending', async () => {
  const { status, headers, body } = await send('/v1/rivers/7?until=1000', 'x'.repeat(900_000))
  assert.deepEqual([status, body.detail, headers.location], [400, 'Enough.', '/v1/rivers/7'])
})

test('a handler that is slow is ended by the deadline, whatever is still to be read', async () => {
  const asked = open('POST', '/v1/rivers/slow', { 'content-type': 'text/csv' })
  const before = seen.aborted
  const size = 900_000
  asked.write('x'.repeat(size))
  const answer = await answerOf(asked)
  assert.equal(answer.statusCode, 504)
  assert.ok(seen.read < size / 2, `${seen.read} bytes were read ahead`)
  asked.end()
  answer.resume()
  await until(
    'the handler is told',
    () => seen.aborted,
    aborted => aborted > before,
  )
})

test('a client that neither sends nor leaves does not keep the handler past the deadline', async () => {
  seen.left = 0
  const asked = open('POST', '/v1/rivers/7', { 'content-type': 'text/csv' })
  asked.write('x')
  const answer = await answerOf(asked)
  assert.equal(answer.statusCode, 504)
  await until(
    'the handler has ended',
    () => seen.left,
    left => left === 1,
  )
  asked.destroy()
})

test('a client that goes away ends the reading', async () => {
  const before = seen.aborted
  const asked = open('POST', '/v1/rivers/7', { 'content-type': 'text/csv' })
  asked.write('x'.repeat(1_000))
  await until(
    'the body is read',
    () => seen.read,
    read => read === 1_000,
  )
  asked.destroy()
  await until(
    'the handler is told',
    () => seen.aborted,
    aborted => aborted > before,
  )
})

test('an answer is made as fast as the client takes it, and no longer than it wants it', async () => {
  const answer = await answerOf(open('GET', '/v1/rivers').end())
  assert.deepEqual([answer.statusCode, answer.headers['content-type']], [200, 'text/csv'])
  let before = -1
  await until(
    'nothing more is made',
    async () => {
      const still = seen.made === before
      before = seen.made
      await new Promise(resolve => setTimeout(resolve, 100))
      return still
    },
    Boolean,
  )
  assert.ok(seen.made < 200, `${seen.made} pieces wait for a client that takes none`)
  answer.destroy()
  await until(
    'the making has ended',
    () => seen.ended,
    ended => ended === 'yes',
  )
})

test('a failure before the first byte is a problem; one after it cuts the answer, and tells nothing', async () => {
  const whole = await answerOf(open('GET', '/v1/rivers?rows=3').end())
  assert.deepEqual([await textOf(whole), whole.headers.etag], ['1\n2\n3\n', '"1"'])
  const refused = await answerOf(open('GET', '/v1/rivers?rows=0').end())
  assert.deepEqual([refused.statusCode, refused.headers['content-type']], [404, 'application/problem+json'])
  refused.resume()
  const cut = await answerOf(open('GET', '/v1/rivers?rows=9').end())
  let text = ''
  await assert.rejects(async () => {
    for await (const chunk of cut) text += chunk
  }, 'the end is missing')
  assert.ok(!text.includes('secret'))
})
