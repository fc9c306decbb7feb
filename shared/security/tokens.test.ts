import assert from 'node:assert/strict'
import { after, before, mock, test } from 'node:test'
import { startTokenIssuer, type TokenIssuer } from '../../test/token-issuer.ts'
import { Rejected, Transient } from '../errors.ts'
import { requireScope, tokenVerifier } from './tokens.ts'

let issuer: TokenIssuer
before(async () => {
  issuer = await startTokenIssuer()
})
after(() => issuer.close())

const verifier = (now = Date.now) => tokenVerifier({ jwksUrl: issuer.jwksUrl, issuer: issuer.url, audience: 'tidemark', now })
const bearer = async (...options: Parameters<TokenIssuer['issue']>) => `Bearer ${await issuer.issue(...options)}`
const unauthenticated = (error: unknown) => error instanceof Rejected && error.code === 'unauthenticated'

test('a good token says who calls and what they may do', async () => {
  const caller = await verifier().verify(await bearer({ client: 'shop', subject: 'anna', scopes: ['orders:read', 'stock:read'] }))
  assert.deepEqual(
    { ...caller, scopes: [...caller.scopes] },
    { subject: 'anna', client: 'shop', scopes: ['orders:read', 'stock:read'] },
  )
})

test('a token that has expired, is for another audience or from another issuer opens nothing', async () => {
  await assert.rejects(verifier().verify(await bearer({ expiresIn: -10 })), /has expired/)
  await assert.rejects(verifier().verify(await bearer({ audience: 'another' })), unauthenticated)
  const other = tokenVerifier({ jwksUrl: issuer.jwksUrl, issuer: 'https://another', audience: 'tidemark' })
  await assert.rejects(other.verify(await bearer()), unauthenticated)
})

test('no token, another scheme and garbage open nothing', async () => {
  for (const header of [undefined, '', 'Bearer ', 'Basic YTpi', 'Bearer not.a.token', await issuer.issue()]) {
    await assert.rejects(verifier().verify(header), unauthenticated)
  }
})

test('a token that a stranger signed opens nothing', async () => {
  const stranger = await startTokenIssuer()
  const ours = tokenVerifier({ jwksUrl: issuer.jwksUrl, issuer: stranger.url, audience: 'tidemark' })
  await assert.rejects(ours.verify(`Bearer ${await stranger.issue()}`), unauthenticated)
  stranger.close()
})

test('a token without signature or with a symmetric one opens nothing', async () => {
  const [, payload] = (await issuer.issue()).split('.')
  for (const alg of ['none', 'HS256']) {
    const header = Buffer.from(JSON.stringify({ alg })).toString('base64url')
    await assert.rejects(verifier().verify(`Bearer ${header}.${payload}.`), unauthenticated)
  }
})

test('one of the allowed scopes is enough, and what is needed is told', () => {
  const caller = { subject: 'anna', client: 'shop', scopes: new Set(['orders:read', 'no such scope']) }
  requireScope(caller, ['stock:read', 'orders:read'])
  assert.throws(
    () => requireScope(caller, ['stock:write']),
    (error: Rejected) => error.code === 'forbidden' && JSON.stringify(error.details) === '{"needed":["stock:write"]}',
  )
})

test('a remembered token still ends when it expires', async () => {
  let time = Date.now()
  const tokens = verifier(() => time)
  const header = await bearer({ expiresIn: 30 })
  await tokens.verify(header)
  time += 36_000
  await assert.rejects(tokens.verify(header), /has expired/)
})

test('after the issuer changed its key new tokens open, and those of a withdrawn key stop within a minute', async () => {
  mock.timers.enable({ apis: ['Date'], now: Date.now() })
  try {
    const tokens = verifier()
    const old = await bearer({ expiresIn: 3_600 })
    await tokens.verify(old)
    await issuer.rotate(true)
    mock.timers.tick(6_000)
    await tokens.verify(await bearer())
    mock.timers.tick(60_000)
    await assert.rejects(tokens.verify(old), unauthenticated)
  } finally {
    mock.timers.reset()
  }
})

test('while the keys cannot be read nobody is called a liar: it is our failure', async () => {
  const header = await bearer()
  issuer.keyStatus = 503
  await assert.rejects(verifier().verify(header), error => error instanceof Transient && error.code === 'unavailable')
  issuer.keyStatus = 200
  const away = tokenVerifier({ jwksUrl: 'http://127.0.0.1:1/jwks', issuer: issuer.url, audience: 'tidemark' })
  await assert.rejects(away.verify(header), error => error instanceof Transient)
})
