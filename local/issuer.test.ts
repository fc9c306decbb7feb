import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { JWK } from 'jose'
import { requireScope, tokenVerifier } from '../shared/security/tokens.ts'
import { functionClient, type Issuer, issuerName, retailer, startIssuer } from './issuer.ts'

const makeKey = (): JWK => {
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }) as JWK
  return { ...key, alg: 'RS256', kid: createHash('sha256').update(String(key.n)).digest('base64url').slice(0, 16) }
}

const key = makeKey()
const place = functionClient('orders-place', 'master secret')
const start = (given = key) =>
  startIssuer({ port: 0, key: given, client: id => [retailer, place].find(client => client.id === id) })
let issuer: Issuer
before(async () => {
  issuer = await start()
})
after(() => issuer.close())

const basic = (id: string, secret: string) =>
  `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`

async function ask(form: Record<string, string>, authorization?: string, at = issuer) {
  const answer = await fetch(`${at.url}/oauth/token`, {
    method: 'POST',
    headers: authorization ? { authorization } : {},
    body: new URLSearchParams({ grant_type: 'client_credentials', ...form }),
  })
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Record<string, string | number> }
}

const callerOf = (token: unknown, at = issuer) =>
  tokenVerifier({ jwksUrl: `${at.url}/.well-known/jwks.json`, issuer: issuerName, audience: 'tidemark' }).verify(
    `Bearer ${token}`,
  )

test('a client that proves who it is gets a token that every function takes for it', async () => {
  const { status, body, headers } = await ask({}, basic(retailer.id, retailer.secret))
  assert.deepEqual([status, body.token_type, body.expires_in], [200, 'Bearer', 600])
  assert.equal(headers.get('cache-control'), 'no-store')
  const caller = await callerOf(body.access_token)
  assert.deepEqual([caller.client, caller.subject], ['retailer', 'retailer'])
  assert.deepEqual([...caller.scopes], [...retailer.scopes])
})

test('a client may prove it in the form as well', async () => {
  const { status } = await ask({ client_id: retailer.id, client_secret: retailer.secret })
  assert.equal(status, 200)
})

test('a wrong secret, no secret and an unknown client are refused in the same words', async () => {
  for (const answer of [
    await ask({}, basic(retailer.id, 'wrong')),
    await ask({}, basic(retailer.id, '')),
    await ask({}, basic('nobody', retailer.secret)),
    await ask({}, 'Basic !!'),
    await ask({}, 'Bearer x'),
    await ask({}),
    await ask({ client_id: retailer.id }),
  ]) {
    assert.deepEqual([answer.status, answer.body], [401, { error: 'invalid_client' }])
  }
})

test('a client gets the scopes that it asks for, and never one that it does not have', async () => {
  const asked = await ask({ scope: 'stock:read orders:read' }, basic(retailer.id, retailer.secret))
  assert.equal(asked.body.scope, 'stock:read orders:read')
  const caller = await callerOf(asked.body.access_token)
  assert.deepEqual([...caller.scopes], ['stock:read', 'orders:read'])
  assert.throws(() => requireScope(caller, ['stock:write']), { code: 'forbidden' })

  const more = await ask({ scope: 'stock:read orders:write ops:read' }, basic(place.id, place.secret))
  assert.equal(more.body.scope, 'stock:read')
  const standard = await ask({}, basic(place.id, place.secret))
  assert.equal(standard.body.scope, 'stock:read stock:write')
})

test('only tokens for clients are issued, and only there', async () => {
  const other = await ask({ grant_type: 'password' }, basic(retailer.id, retailer.secret))
  assert.deepEqual([other.status, other.body.error], [400, 'unsupported_grant_type'])
  assert.equal((await fetch(`${issuer.url}/oauth/token`)).status, 404)
  assert.equal((await fetch(`${issuer.url}/`, { method: 'POST' })).status, 404)
})

test('the published key holds nothing private', async () => {
  const { keys } = (await (await fetch(`${issuer.url}/.well-known/jwks.json`)).json()) as { keys: JWK[] }
  assert.deepEqual(Object.keys(keys[0] as JWK).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use'])
})

test('a token outlives a restart of its issuer, and not another key', async () => {
  const { body } = await ask({}, basic(retailer.id, retailer.secret))
  const again = await start()
  try {
    assert.equal((await callerOf(body.access_token, again)).client, 'retailer')
  } finally {
    await again.close()
  }
  const other = await start(makeKey())
  try {
    await assert.rejects(callerOf(body.access_token, other), { code: 'unauthenticated' })
  } finally {
    await other.close()
  }
})

test("each function's secret is its own and stays the same", () => {
  assert.equal(functionClient('orders-place', 'master secret').secret, place.secret)
  assert.notEqual(functionClient('orders-cancel', 'master secret').secret, place.secret)
  assert.notEqual(functionClient('orders-place', 'another').secret, place.secret)
})
