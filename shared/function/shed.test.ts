import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, type ClientRequest, type IncomingMessage, request as rawRequest } from 'node:http'
import { connect, Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, beforeEach, test } from 'node:test'
import { z } from 'zod'
import { type Started, startFunction } from '../../test/environment.ts'
import { service } from './declare.ts'
import { operation } from './operation.ts'

let saturated = false
let handled = 0

const define = operation<unknown>()
const common = { allow: ['stock:write'], input: z.object({}), output: z.unknown() } as const
const handle = async () => {
  handled++
  return { done: true }
}

const busy = service({
  name: 'busy',
  summary: 'A function that can have too much to do',
  uses: [],
  saturated: () => saturated,
  operations: [
    define({ ...common, id: 'begin', route: 'POST /v1/works', summary: 'Begin', shed: true, handle }),
    define({ ...common, id: 'finish', route: 'POST /v1/works/{id}/finish', summary: 'Finish', input: z.looseObject({}), handle }),
    define({ ...common, id: 'look', route: 'GET /v1/works', summary: 'Look', handle }),
  ],
})

let running: Started
before(async () => {
  running = await startFunction(busy)
})
after(() => running.stop())
beforeEach(() => {
  saturated = true
  handled = 0
})

/** A request whose body of 1,000 bytes is announced and does not come. */
function announced(agent?: Agent): ClientRequest {
  const headers = { 'content-type': 'application/json', 'content-length': 1_000 }
  const request = rawRequest(`${running.url}/v1/works`, { method: 'POST', headers, ...(agent && { agent }) })
  request.flushHeaders()
  return request
}

const answerTo = (request: ClientRequest): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => request.once('response', resolve).once('error', reject))

test('a saturated function says when to come again, without the token and the body of the request', {
  timeout: 5_000,
}, async () => {
  const request = announced()
  const answer = await answerTo(request)
  assert.equal(answer.statusCode, 503)
  assert.equal(answer.headers['retry-after'], '1')
  assert.equal(answer.headers['content-type'], 'application/problem+json')
  const problem = JSON.parse(await text(answer))
  assert.equal(problem.code, 'overloaded')
  assert.equal(problem.status, 503)
  request.destroy()
  assert.equal(handled, 0)
})

test('what was refused has not been done, and is done when it comes again', async () => {
  const refused = await running.request('POST /v1/works', { body: {} })
  assert.equal(refused.status, 503)
  assert.equal(handled, 0)
  saturated = false
  const { status } = await running.request('POST /v1/works', { body: {} })
  assert.equal(status, 200)
  assert.equal(handled, 1)
})

test('a saturated function still finishes, shows and is alive', async () => {
  assert.equal((await running.request('POST /v1/works/7/finish', { body: {} })).status, 200)
  assert.equal((await running.request('GET /v1/works')).status, 200)
  assert.equal(handled, 2)
  for (const probe of ['liveness', 'readiness']) assert.equal((await fetch(`${running.url}/health/${probe}`)).status, 200)
})

test('the connection of a refused request goes on with the next one, behind the body that nobody read', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const request = announced(agent)
  const answer = await answerTo(request)
  assert.equal(answer.statusCode, 503)
  request.end(Buffer.alloc(1_000, ' '))
  await text(answer)
  const { socket } = request
  const next = rawRequest(`${running.url}/health/liveness`, { agent })
  next.end()
  const alive = await answerTo(next)
  await text(alive)
  assert.equal(alive.statusCode, 200)
  assert.equal(next.socket, socket)
  agent.destroy()
})

test('a connection that was refused is stopped until its turn, and one that was not is not', async t => {
  const { port } = new URL(running.url)
  const ours = ({ this: socket }: { this: unknown }) => (socket as Socket).localPort === Number(port)
  const pause = t.mock.method(Socket.prototype, 'pause')
  const socket = connect(Number(port), '127.0.0.1')
  const ask = async (route: string) => {
    const answer = once(socket, 'data')
    socket.write(`${route} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n`)
    return Number(String(await answer).slice(9, 12))
  }
  assert.equal(await ask('GET /health/liveness'), 200)
  assert.equal(pause.mock.calls.filter(ours).length, 0)
  for (const times of [1, 2]) {
    assert.equal(await ask('POST /v1/works'), 503)
    assert.equal(pause.mock.calls.filter(ours).length, times)
  }
  socket.destroy()
})

test('refusals are counted like every answer of their operation', async () => {
  const count = async () => {
    const metrics = await (await fetch(running.metricsUrl)).text()
    return Number(/^tidemark_request_duration_seconds_count\{.*operation="begin",status="503".*\} (\d+)$/m.exec(metrics)?.[1])
  }
  const before = await count()
  await running.request('POST /v1/works', { body: {} })
  assert.equal(await count(), before + 1)
})
