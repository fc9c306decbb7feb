import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { type Activator, startActivator } from './activator.ts'
import type { Instance } from './instance.ts'
import { Revision } from './revision.ts'

const closing: (() => unknown)[] = []
after(() => closing.map(close => close()))

async function served(listener: RequestListener): Promise<Server> {
  const server = createServer(listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    server.close()
    server.closeAllConnections()
  })
  return server
}

/** An activator before one function, whose instance is a server of the test. */
async function activatorBefore(
  listener: RequestListener,
  starting: () => Promise<void> = async () => {},
): Promise<Activator & { server: Server; instance: Instance; idle(): Promise<void> }> {
  const server = await served(listener)
  const instance: Instance = {
    port: (server.address() as AddressInfo).port,
    metricsPort: 0,
    pid: 0,
    inFlight: 0,
    ended: new Promise(() => {}),
    stop: async () => {},
  }
  const revision = new Revision({
    name: 'orders-read',
    scale: { min: 0, max: 1, concurrency: 2, timeout: 30 },
    most: 1,
    idle: 60_000,
    say: () => {},
    start: async () => {
      await starting()
      return instance
    },
  })
  const activator = await startActivator(0, name => (name === 'orders-read' ? revision : undefined))
  closing.push(() => activator.close())
  closing.push(() => revision.stop())
  return {
    ...activator,
    server,
    instance,
    async idle() {
      for (let tries = 0; instance.inFlight > 0 && tries < 100; tries++) await wait(10)
      assert.equal(instance.inFlight, 0, 'the instance has its place back')
    },
  }
}

test('a request goes to the function that its path names, with the rest of the path, the query, method and headers', async () => {
  let seen: Partial<IncomingMessage> = {}
  const { port, idle } = await activatorBefore((incoming, response) => {
    seen = incoming
    response.writeHead(201, { location: '/v1/orders/7', 'x-many': ['a', 'b'] }).end('made')
  })
  const answer = await fetch(`http://127.0.0.1:${port}/orders-read/v1/orders?limit=2`, {
    method: 'POST',
    body: 'an order',
    headers: { 'idempotency-key': 'k' },
  })
  assert.deepEqual([seen.method, seen.url, seen.headers?.['idempotency-key']], ['POST', '/v1/orders?limit=2', 'k'])
  assert.deepEqual([answer.status, answer.headers.get('location'), await answer.text()], [201, '/v1/orders/7', 'made'])
  assert.equal(answer.headers.get('x-many'), 'a, b')
  await idle()
})

test('a path that names only the function is its root', async () => {
  const { port } = await activatorBefore((incoming, response) => response.end(incoming.url))
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/orders-read`)).text(), '/')
})

test('a function that nobody knows is not found', async () => {
  const { port } = await activatorBefore(() => {})
  assert.equal((await fetch(`http://127.0.0.1:${port}/orders-wirte/v1/orders`)).status, 404)
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 404)
})

test('bodies are passed on as they come, both ways', async () => {
  const { port } = await activatorBefore((incoming, response) => {
    response.writeHead(200)
    incoming.on('data', chunk => response.write(`had ${chunk};`))
    incoming.on('end', () => response.end('the end'))
  })
  const outgoing = request({ port, host: '127.0.0.1', method: 'POST', path: '/orders-read/' })
  outgoing.write('one')
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  answer.setEncoding('utf8')
  assert.deepEqual(await once(answer, 'data'), ['had one;'], 'answered before the upload has ended')
  outgoing.end('two')
  let rest = ''
  for await (const chunk of answer) rest += chunk
  assert.equal(rest, 'had two;the end')
})

test('an instance that dies before it answers is a bad gateway', async () => {
  const { port, idle } = await activatorBefore(incoming => incoming.socket.destroy())
  const answer = await fetch(`http://127.0.0.1:${port}/orders-read/`)
  assert.equal(answer.status, 502)
  assert.match(await answer.text(), /^orders-read: /)
  await idle()
})

test('an instance that dies in the middle of its answer breaks it off: half an answer never looks whole', async () => {
  const { port, idle } = await activatorBefore((incoming, response) => {
    response.writeHead(200)
    response.write('half', () => incoming.socket.destroy())
  })
  const answer = await fetch(`http://127.0.0.1:${port}/orders-read/`)
  await assert.rejects(answer.text())
  await idle()
})

test('a function that cannot be started is unavailable, with the reason', async () => {
  const { port } = await activatorBefore(
    () => {},
    () => Promise.reject(new Error('orders-read did not become ready')),
  )
  const answer = await fetch(`http://127.0.0.1:${port}/orders-read/`)
  assert.deepEqual([answer.status, await answer.text()], [503, 'orders-read did not become ready'])
})

test('a client that goes away gives its place back, and the function is told', async () => {
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
  const { promise: told, resolve: tell } = Promise.withResolvers<void>()
  const { port, instance, idle } = await activatorBefore((_incoming, response) => {
    response.on('close', tell)
    arrive()
  })
  const client = new AbortController()
  const answer = fetch(`http://127.0.0.1:${port}/orders-read/`, { signal: client.signal })
  await arrived
  assert.equal(instance.inFlight, 1)
  client.abort()
  await assert.rejects(answer)
  await told
  await idle()
})

test('a client that goes away while an instance is started for it takes no place', async () => {
  const { promise: starting, resolve: started } = Promise.withResolvers<void>()
  let requests = 0
  const { port, instance } = await activatorBefore(
    (_incoming, response) => {
      requests++
      response.end()
    },
    () => starting,
  )
  const client = new AbortController()
  const answer = fetch(`http://127.0.0.1:${port}/orders-read/`, { signal: client.signal })
  await wait(50)
  client.abort()
  await assert.rejects(answer)
  await wait(50)
  started()
  await wait(50)
  assert.deepEqual([instance.inFlight, requests], [0, 0])
})
