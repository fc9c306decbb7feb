import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { Rejected } from '../errors.ts'
import { Quantity, Sku } from '../fields.ts'
import { entityTag, operate } from './operate.ts'
import { type Call, type Operation, operation, Reply } from './operation.ts'

const caller = { subject: 'anna', client: 'shop', scopes: new Set<string>() }
let seen: { input: unknown; call: Call } | undefined

const reserve = operation<unknown>()({
  id: 'reserve',
  route: 'POST /v1/things/{id}',
  summary: 'Reserve',
  allow: [],
  idempotent: true,
  ifMatch: true,
  input: z.strictObject({ id: z.string(), lines: z.array(z.strictObject({ sku: Sku, quantity: Quantity })).min(1) }),
  output: z.unknown(),
  status: 201,
  async handle(_deps, input, call) {
    seen = { input, call }
    return { done: true }
  },
}) as unknown as Operation

const line = { sku: 'a', quantity: 1 }

function ask(json: unknown, headers: Record<string, string> = {}, op = reserve) {
  const request = {
    params: { id: '7' },
    query: {},
    headers: { 'if-match': '"3"', ...headers },
    raw: Buffer.from(JSON.stringify(json)),
    json,
  }
  return operate(op, undefined, request, caller)
}

const refusal = async (asked: Promise<unknown>): Promise<Rejected> =>
  asked.then(
    () => assert.fail('was not refused'),
    error => (error instanceof Rejected ? error : assert.fail(error)),
  )

test('the body and the path make the input, in its canonical form', async () => {
  const reply = await ask({ lines: [{ sku: ' 85123a ', quantity: 2 }] })
  assert.deepEqual(seen?.input, { id: '7', lines: [{ sku: '85123A', quantity: 2 }] })
  assert.equal(reply.status, 201)
  assert.equal(reply.text, '{"done":true}')
})

test('the path wins over a body that names the same field', async () => {
  await ask({ id: 'another', lines: [line] })
  assert.equal((seen?.input as { id: string } | undefined)?.id, '7')
})

test('an error names its field as a programmer would write it', async () => {
  const { code, message, details } = await refusal(ask({ lines: [line, line, { sku: 'b', quantity: 0 }] }))
  assert.equal(code, 'invalid_input')
  assert.match(message, /^lines\[2\]\.quantity: /)
  assert.equal((details.errors as { field: string }[])[0]?.field, 'lines[2].quantity')
})

test('a field that is not known is refused by its name', async () => {
  const { details } = await refusal(ask({ lines: [{ ...line, qty: 3 }], note: 'x' }))
  const fields = (details.errors as { field: string }[]).map(({ field }) => field)
  assert.deepEqual(fields.sort(), ['lines[0].qty', 'note'])
})

test('at most twenty errors are told, however many there are', async () => {
  const many = await refusal(ask({ lines: Array.from({ length: 500 }, () => ({ sku: 'b', quantity: 0 })) }))
  assert.equal((many.details.errors as unknown[]).length, 20)
  const unknown = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`field${index}`, 1]))
  const keys = await refusal(ask({ lines: [line], ...unknown }))
  assert.ok((keys.details.errors as unknown[]).length <= 20)
  assert.ok(keys.message.length < 2_000)
})

test('a body that is not an object is refused', async () => {
  for (const json of [null, [], 'text', 1]) assert.equal((await refusal(ask(json))).code, 'invalid_input')
})

test('an idempotency key counts for its client only, and another input has another fingerprint', async () => {
  await ask({ lines: [line] }, { 'idempotency-key': 'order-1' })
  const first = seen?.call
  assert.equal(first?.idempotencyKey, 'shop:order-1')
  await ask({ lines: [line] }, { 'idempotency-key': 'order-1' })
  assert.equal(seen?.call.fingerprint, first?.fingerprint)
  await ask({ lines: [line, line] }, { 'idempotency-key': 'order-1' })
  assert.notEqual(seen?.call.fingerprint, first?.fingerprint)
})

test('a bad idempotency key is refused', async () => {
  for (const key of ['', 'two words', 'x'.repeat(201), 'ümlaut']) {
    const { code, details } = await refusal(ask({ lines: [line] }, { 'idempotency-key': key }))
    assert.equal(code, 'invalid_input')
    assert.equal((details.errors as { field: string }[])[0]?.field, 'Idempotency-Key')
  }
})

test('If-Match is one version as it was read', async () => {
  await ask({ lines: [line] }, { 'if-match': entityTag(12) })
  assert.equal(seen?.call.ifMatch, 12)
  for (const tag of ['12', '*', 'W/"12"', '"1", "2"', '"-1"', '""', `"${'9'.repeat(16)}"`]) {
    assert.equal((await refusal(ask({ lines: [line] }, { 'if-match': tag }))).code, 'invalid_input', tag)
  }
})

test('a write that needs If-Match and has none is told so', async () => {
  const request = { params: { id: '7' }, query: {}, headers: {}, raw: Buffer.from(''), json: { lines: [line] } }
  assert.equal((await refusal(operate(reserve, undefined, request, caller))).code, 'precondition_required')
})

test('a reply with a status and headers of its own keeps them', async () => {
  const own = {
    ...reserve,
    handle: async () => Reply.of(202, { later: true }, { location: '/v1/things/7' }),
  } as unknown as Operation
  const reply = await ask({ lines: [line] }, {}, own)
  assert.equal(reply.status, 202)
  assert.deepEqual(reply.headers, { location: '/v1/things/7' })
})
