import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import { type Started, startFunction } from '../../test/environment.ts'
import { Rejected } from '../errors.ts'
import { service } from './declare.ts'
import { signedOperation } from './operation.ts'
import { configOf } from './start.ts'

const told = service({
  name: 'told',
  summary: 'Is told',
  uses: [],
  operations: [
    signedOperation<unknown>()({
      id: 'told',
      route: 'POST /v1/told/{id}',
      summary: 'Is told',
      signed: { by: 'X-Signature', takes: ['application/x-www-form-urlencoded', 'text/plain'] },
      bodyLimit: 100,
      input: z.strictObject({ id: z.string(), way: z.string().optional() }),
      output: z.unknown(),
      async handle(_deps, input, { raw, headers, subject, scopes }) {
        if (headers['x-signature'] !== 'right') throw new Rejected('invalid_signature')
        return { input, body: raw.toString(), subject, scopes: scopes.size }
      },
    }),
  ],
})

let running: Started
before(async () => {
  running = await startFunction(told)
})
after(() => running.stop())

const tell = async (body: string, headers: Record<string, string> = {}) => {
  const answer = await fetch(`${running.url}/v1/told/7?way=b`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-signature': 'right', ...headers },
    body,
  })
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
}

test('what a signature opens is given the bytes as they came, and nobody for a caller', async () => {
  const { status, body } = await tell('a=1&b=%20')
  assert.equal(status, 200)
  assert.deepEqual(body, { input: { id: '7', way: 'b' }, body: 'a=1&b=%20', subject: 'signed', scopes: 0 })
})

test('a wrong signature, another type of body and one that is too large are refused', async () => {
  const wrong = await tell('a=1', { 'x-signature': 'wrong' })
  assert.deepEqual([wrong.status, wrong.body.code], [401, 'invalid_signature'])
  assert.equal((await tell('{}', { 'content-type': 'application/json' })).status, 415)
  assert.equal((await tell('x'.repeat(101))).status, 413)
})

test('a function that signatures alone open knows no issuer of tokens', () => {
  assert.equal(Object.hasOwn(configOf(told).shape, 'JWKS_URL'), false)
})
