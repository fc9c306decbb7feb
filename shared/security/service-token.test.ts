import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { closeIdleConnections } from '../function/exchange.ts'
import { serviceToken } from './service-token.ts'

const asked: { url: string | undefined; credentials: string }[] = []
const issuer = createServer((request: IncomingMessage, response) => {
  const credentials = Buffer.from(String(request.headers.authorization).replace('Basic ', ''), 'base64').toString()
  asked.push({ url: request.url, credentials })
  request.resume()
  response.writeHead(200).end(JSON.stringify({ access_token: `token-${asked.length}`, expires_in: 300 }))
})
let base: string
before(async () => {
  await new Promise<void>(resolve => issuer.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`
})
after(() => {
  closeIdleConnections()
  issuer.close()
})

test('a token is kept until shortly before its end; the next one is asked for with the secret of that time', async () => {
  let now = 0
  let credentials = { tokenUrl: `${base}/token`, clientId: 'orders place', clientSecret: 'first:one' }
  const token = serviceToken(
    () => credentials,
    () => now,
  )
  assert.deepEqual(await Promise.all([token.get(), token.get()]), ['token-1', 'token-1'])
  credentials = { ...credentials, tokenUrl: `${base}/elsewhere`, clientSecret: 'second' }
  now = 269_000
  assert.equal(await token.get(), 'token-1')
  now = 271_000
  assert.equal(await token.get(), 'token-2')
  assert.deepEqual(asked, [
    { url: '/token', credentials: 'orders%20place:first%3Aone' },
    { url: '/elsewhere', credentials: 'orders%20place:second' },
  ])
})
