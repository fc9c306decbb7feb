import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, test } from 'node:test'
import { type SmokeOptions, smoke } from '../.github/actions/deploy/smoke.ts'

const openapi = { info: { version: '2' } }
let server: Server | undefined
afterEach(() => server?.close())

/** A gateway whose answers are given by path; an answer that is a list is used up from its front. */
async function gateway(answers: { version?: string[]; stranger?: number; caller?: number }): Promise<string> {
  const versions = answers.version ?? ['2']
  server = createServer((request, response) => {
    if (request.url === '/openapi.json') {
      const version = versions.length > 1 ? versions.shift() : versions[0]
      response.end(JSON.stringify({ info: { version } }))
      return
    }
    const { authorization } = request.headers
    if (request.url === '/oauth/token') {
      response.statusCode = authorization === `Basic ${btoa('shop:secret')}` ? 200 : 401
      response.end('{"access_token":"t"}')
      return
    }
    response.statusCode = authorization === 'Bearer t' ? (answers.caller ?? 200) : (answers.stranger ?? 401)
    response.end('{}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function check(url: string, client?: string): Promise<void> {
  const options: SmokeOptions = { gateway: url, openapi, patienceMs: 200, pauseMs: 10 }
  return smoke(client ? { ...options, client } : options)
}

test('a deployment that serves its own API, refuses strangers and serves a caller is sound', async () => {
  await check(await gateway({}), 'shop:secret')
})

test('the old version may answer for a moment, not for ever', async () => {
  await check(await gateway({ version: ['1', '1', '2'] }))
  server?.close()
  await assert.rejects(check(await gateway({ version: ['1'] })), /another version/)
})

test('a gateway that lets strangers in is refused', async () => {
  await assert.rejects(check(await gateway({ stranger: 200 })), /answered 200 instead of 401/)
})

test('a function that fails behind a sound gateway is seen when there is a client to ask with', async () => {
  const url = await gateway({ caller: 503 })
  await check(url)
  await assert.rejects(check(url, 'shop:secret'), /answered 503 instead of 200/)
})

test('a client that gets no token is named by the address that refused it', async () => {
  await assert.rejects(check(await gateway({}), 'shop:wrong'), /token answered 401/)
})
