import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, test } from 'node:test'
import { functionClient, retailer } from '../issuer.ts'
import { freePort } from '../services/ports.ts'
import * as hello from './hello.ts'
import * as issuer from './issuer.ts'
import type { Program } from './main.ts'
import * as subscriber from './subscriber.ts'

const ending: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

async function running(program: { run: Program }, env: NodeJS.ProcessEnv = {}) {
  const port = await freePort()
  const started = await program.run({ ...env, PORT: String(port) }, () => {})
  assert.ok(started)
  ending.push(() => started.stop())
  return { ...started, url: `http://127.0.0.1:${port}` }
}

const event = (id: string, headers: Record<string, string> = {}) => ({
  method: 'POST',
  headers: { 'ce-id': id, 'ce-type': 'tidemark.alert.raised.v1', 'ce-source': '/x', 'ce-specversion': '1.0', ...headers },
})

test("a user's function keeps the events that it gets, whatever their form", async () => {
  const { url } = await running(subscriber)
  const json = { 'content-type': 'application/json' }
  assert.equal((await fetch(url, { ...event('1', json), body: '{"sku":"a"}' })).status, 204)
  await fetch(url, { ...event('2', { 'content-type': 'application/avro' }), body: Buffer.from([0, 1]) })
  const whole = { id: '3', type: 't', source: '/x', specversion: '1.0', data: { sku: 'b' } }
  await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json; charset=utf-8' },
    body: JSON.stringify(whole),
  })
  const events = (await (await fetch(`${url}/events`)).json()) as subscriber.Received[]
  assert.deepEqual(
    events.map(({ attributes, data }) => [attributes.id, data]),
    [
      ['1', { sku: 'a' }],
      ['2', 'AAE='],
      ['3', { sku: 'b' }],
    ],
  )
})

test("a user's function fails when it is told to, until it is told otherwise", async () => {
  const { url } = await running(subscriber)
  const tell = (status: string) => fetch(`${url}/answer?status=${status}`, { method: 'POST' })
  assert.equal((await tell('503')).status, 204)
  assert.equal((await fetch(url, event('1'))).status, 503)
  assert.equal((await fetch(`${url}/health/readiness`)).status, 200)
  assert.equal((await tell('nonsense')).status, 400)
  await tell('200')
  assert.equal((await fetch(url, event('1'))).status, 200)
  const events = (await (await fetch(`${url}/events`)).json()) as subscriber.Received[]
  assert.deepEqual(
    events.map(({ answered }) => answered),
    [503, 200],
  )
})

test('the issuer takes its secrets from mounted files and knows the retailer and every function', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-issuer-'))
  ending.push(() => rm(folder, { recursive: true }))
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })
  await writeFile(join(folder, 'key'), JSON.stringify({ ...key, kid: 'k1' }))
  const { url, stop } = await running(issuer, { ISSUER_KEY_FILE: join(folder, 'key'), CLIENT_MASTER_SECRET: 'master' })
  const token = async ({ id, secret }: { id: string; secret: string }) => {
    const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: id, client_secret: secret })
    return (await fetch(`${url}/oauth/token`, { method: 'POST', body })).status
  }
  assert.equal(await token(retailer), 200)
  assert.equal(await token(functionClient('orders-place', 'master')), 200)
  assert.equal(await token(functionClient('orders-place', 'another')), 401)
  assert.equal(await token(functionClient('no-such-function', 'master')), 401)
  assert.equal((await fetch(`${url}/health/readiness`)).status, 200)
  await stop()
  await assert.rejects(fetch(`${url}/health/readiness`))
})

test('an issuer without its secrets does not start, and says which is missing', async () => {
  await assert.rejects(
    issuer.run({ ISSUER_KEY: '{}' }, () => {}),
    /CLIENT_MASTER_SECRET/,
  )
})

test('the reference for cold starts says hello', async () => {
  const { url } = await running(hello)
  assert.equal(await (await fetch(`${url}/anything`)).text(), 'hello')
})
