import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, type RequestListener, request, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { type Started, serviceUrls, startFunction, until } from '../../test/environment.ts'
import { issuerEnvironment, issueToken } from '../../test/token-issuer.ts'
import { gateway } from './gateway.ts'

/** The functions behind the gateway: what they answer is each test's own. */
let behind: RequestListener
let upstream: Server
let upstreamConnections = 0
let door: Started
let authorization: string
const ending: (() => unknown)[] = []

const environment = () => ({
  REDIS_URL: serviceUrls().redis,
  FUNCTION_URL: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/{name}`,
  TOKEN_URL: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/oauth/token`,
})

before(async () => {
  upstream = createServer((incoming, response) => behind(incoming, response))
  upstream.on('connection', () => upstreamConnections++)
  await new Promise<void>(resolve => upstream.listen(0, '127.0.0.1', resolve))
  door = await startFunction(gateway, environment())
  authorization = `Bearer ${await issueToken()}`
})
afterEach(async () => {
  for (const end of ending.splice(0)) await end()
})
after(async () => {
  await door.stop()
  upstream.close()
  upstream.closeAllConnections()
})

const asked = (method: string, path: string, headers: Record<string, string> = {}, agent?: Agent) =>
  request(new URL(path, door.url), { method, headers: { authorization, ...headers }, ...(agent && { agent }) })

const answerTo = async (outgoing: ReturnType<typeof asked>) => ((await once(outgoing, 'response')) as [IncomingMessage])[0]

async function read(answer: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of answer.setEncoding('utf8')) text += chunk
  return text
}

async function ask(method: string, path: string, headers: Record<string, string> = {}) {
  const outgoing = asked(method, path, headers)
  outgoing.end()
  const answer = await answerTo(outgoing)
  const text = await read(answer)
  const isJson = /json/.test(answer.headers['content-type'] ?? '')
  return { status: answer.statusCode, headers: answer.headers, text, body: isJson ? JSON.parse(text) : undefined }
}

test('a request is passed to the function of its operation, with who asked for it and where it is in the trace', async () => {
  let seen: IncomingMessage | undefined
  behind = (incoming, response) => {
    seen = incoming
    response.writeHead(200, { etag: '"3"', 'x-own': 'kept' }).end('{}')
  }
  const answer = await ask('GET', '/v1/orders/summary?a=1', {
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    'x-forwarded-for': '203.0.113.9',
  })
  assert.equal(answer.status, 200)
  assert.deepEqual([answer.headers.etag, answer.headers['x-own']], ['"3"', 'kept'])
  assert.equal(answer.headers['x-content-type-options'], 'nosniff')
  assert.match(String(answer.headers.ratelimit), /^"client";r=\d+;t=1$/)
  assert.equal(seen?.url, '/orders-read/v1/orders/summary?a=1')
  assert.equal(seen?.headers.authorization, authorization)
  assert.equal(seen?.headers['x-request-id'], answer.headers['x-request-id'])
  assert.match(String(seen?.headers.traceparent), /^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01$/)
  assert.match(String(seen?.headers['x-forwarded-for']), /127\.0\.0\.1$/, 'an address that the client claims is not believed')
})

test('bodies are streamed both ways: a chunk arrives before the upload has ended', async () => {
  behind = (incoming, response) => {
    response.writeHead(200)
    incoming.pipe(response)
  }
  const outgoing = asked('POST', '/v1/orders', { 'content-type': 'application/json' })
  outgoing.write('first')
  const answer = await answerTo(outgoing)
  assert.deepEqual((await once(answer, 'data')).toString(), 'first')

  const chunk = Buffer.alloc(64 * 1024, 'x')
  const chunks = 512
  let received = 0
  answer.on('data', (data: Buffer) => {
    received += data.length
  })
  for (let count = 0; count < chunks; count++) if (!outgoing.write(chunk)) await once(outgoing, 'drain')
  outgoing.end()
  await once(answer, 'end')
  assert.equal(received, chunks * chunk.length)
})

test('an upload that nobody reads is held back, not gathered in memory', async () => {
  let giveUp = () => {}
  behind = incoming => {
    giveUp = () => incoming.destroy()
  }
  const outgoing = asked('POST', '/v1/orders')
  outgoing.on('error', () => {})
  const chunk = Buffer.alloc(1024 * 1024)
  let written = 0
  let drained = true
  while (drained && written < 64) {
    written++
    drained =
      outgoing.write(chunk) ||
      (await Promise.race([
        once(outgoing, 'drain').then(() => true),
        new Promise<boolean>(resolve => setTimeout(() => resolve(false), 300)),
      ]))
  }
  outgoing.destroy()
  giveUp()
  assert.ok(written < 32, `${written} MB were taken`)
})

test('connections are kept, to the functions and to the clients', async () => {
  behind = (incoming, response) => {
    incoming.resume()
    response.end('{}')
  }
  await ask('GET', '/v1/orders')
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  ending.push(() => agent.destroy())
  const opened = upstreamConnections
  const sockets = new Set<unknown>()
  for (let count = 0; count < 20; count++) {
    const outgoing = asked('GET', '/v1/orders', {}, agent)
    outgoing.end()
    const answer = await answerTo(outgoing)
    sockets.add(answer.socket)
    await read(answer)
  }
  assert.equal(sockets.size, 1)
  assert.ok(upstreamConnections - opened <= 1, `${upstreamConnections - opened} connections for 20 requests`)
})

test('headers of one connection do not go further, in either direction', async () => {
  let seen: IncomingMessage['headers'] = {}
  behind = (incoming, response) => {
    seen = incoming.headers
    response.writeHead(200, {
      connection: 'close, x-hop',
      'keep-alive': 'timeout=1',
      'proxy-authenticate': 'Basic',
      'x-hop': '1',
    })
    response.end('{}')
  }
  const answer = await ask('GET', '/v1/orders', {
    connection: 'keep-alive, x-secret-hop',
    'x-secret-hop': '1',
    'keep-alive': 'timeout=1',
    te: 'trailers',
    'proxy-authorization': 'Basic x',
    'x-end-to-end': '1',
  })
  for (const name of ['x-secret-hop', 'keep-alive', 'te', 'proxy-authorization', 'upgrade'])
    assert.equal(seen[name], undefined, name)
  assert.equal(seen['x-end-to-end'], '1')
  for (const name of ['proxy-authenticate', 'x-hop']) assert.equal(answer.headers[name], undefined, name)
  assert.notEqual(answer.headers['keep-alive'], 'timeout=1')
})

test('a function that is not there is unavailable, and the caller is told when to try again', async () => {
  const lonely = await startFunction(gateway, { ...environment(), FUNCTION_URL: 'http://127.0.0.1:1/{name}' })
  ending.push(() => lonely.stop())
  const answer = await lonely.request('GET /v1/orders')
  assert.deepEqual([answer.status, answer.body.code], [503, 'unavailable'])
  assert.equal(answer.headers.get('content-type'), 'application/problem+json')
  assert.ok(Number(answer.headers.get('retry-after')) > 0)
  assert.equal(answer.body.detail, undefined, 'and learns nothing of what stands behind')
})

test('a function that dies before its answer is unavailable, one that dies in it breaks the answer off', async () => {
  behind = incoming => incoming.socket.destroy()
  assert.equal((await ask('GET', '/v1/orders')).body.code, 'unavailable')
  behind = (incoming, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('half', () => incoming.socket.destroy())
  }
  await assert.rejects(ask('GET', '/v1/orders'))
})

test('a failure of what stands before a function reaches the client as a problem, without its text', async () => {
  for (const [status, code, shown] of [
    [500, 'unavailable', 503],
    [502, 'unavailable', 503],
    [503, 'unavailable', 503],
    [504, 'deadline_exceeded', 504],
  ] as const) {
    behind = (_incoming, response) => response.writeHead(status, { 'content-type': 'text/plain' }).end('envoy at 10.1.2.3: reset')
    const answer = await ask('GET', '/v1/orders')
    assert.deepEqual([answer.status, answer.body.code], [shown, code])
    assert.equal(answer.headers['content-type'], 'application/problem+json')
    assert.equal(answer.headers['retry-after'], '1')
    assert.doesNotMatch(answer.text, /envoy/)
  }
  behind = (_incoming, response) => response.writeHead(503, { 'retry-after': '7' }).end()
  assert.equal((await ask('GET', '/v1/orders')).headers['retry-after'], '7')
})

test("a function's own problem is passed on as it is", async () => {
  const problem = JSON.stringify({ code: 'overloaded', status: 503 })
  behind = (_incoming, response) =>
    response.writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '2' }).end(problem)
  const answer = await ask('GET', '/v1/orders')
  assert.deepEqual([answer.status, answer.text, answer.headers['retry-after']], [503, problem, '2'])
})

test('without a valid token no function is asked', async () => {
  let requests = 0
  behind = (_incoming, response) => {
    requests++
    response.end()
  }
  for (const wrong of [
    '',
    'Bearer',
    'Bearer not.a.token',
    'Basic cmV0YWlsZXI6eA==',
    `Bearer ${await issueToken({ expiresIn: -60 })}`,
  ]) {
    const answer = await ask('GET', '/v1/orders', { authorization: wrong })
    assert.deepEqual(
      [answer.status, answer.body.code, answer.headers['www-authenticate']],
      [401, 'unauthenticated', 'Bearer'],
      wrong,
    )
  }
  assert.equal(requests, 0)
})

test('who guesses tokens is limited by address, which costs those with a token nothing', async () => {
  behind = (_incoming, response) => response.end('{}')
  const strict = await startFunction(gateway, { ...environment(), RATE_LIMIT_REQUESTS: '5', RATE_LIMIT_SECONDS: '3' })
  ending.push(() => strict.stop())
  const guess = () => strict.request('GET /v1/orders', { headers: { authorization: `Bearer ${Math.random()}` } })
  const statuses = (await Promise.all(Array.from({ length: 12 }, guess))).map(({ status }) => status)
  assert.ok(statuses.filter(status => status === 401).length <= 5)
  assert.ok(statuses.filter(status => status === 429).length >= 7)
  assert.equal((await strict.request('GET /v1/orders', { client: `client-${Math.random()}` })).status, 200)
})

test('what a signature opens is passed on without a token, its body and headers as they came, and limited by address', async () => {
  let seen: { url: string | undefined; body: string; signature: unknown } | undefined
  behind = async (incoming, response) => {
    seen = { url: incoming.url, body: await read(incoming), signature: incoming.headers['x-twilio-signature'] }
    response.end('{}')
  }
  const limits = { RATE_LIMIT_REQUESTS: '3', RATE_LIMIT_SECONDS: '60', TRUSTED_PROXIES: 'loopback' }
  const strict = await startFunction(gateway, { ...environment(), ...limits })
  ending.push(() => strict.stop())
  const address = `2001:db8:1::${Date.now() % 9_999}`
  const tell = () =>
    fetch(`${strict.url}/v1/callbacks/twilio/7`, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'x-twilio-signature': 'abc=',
        'x-forwarded-for': address,
      },
      body: 'a=1&b=%20',
    })
  assert.equal((await tell()).status, 200)
  assert.deepEqual(seen, { url: '/notifications-callbacks/v1/callbacks/twilio/7', body: 'a=1&b=%20', signature: 'abc=' })
  const statuses = []
  for (let count = 0; count < 5; count++) statuses.push((await tell()).status)
  assert.equal(statuses.at(-1), 429)
})

test('behind a trusted proxy callers are told apart by the address that it was called from, and a claimed one does not help', async () => {
  const limits = { RATE_LIMIT_REQUESTS: '3', RATE_LIMIT_SECONDS: '60' }
  const [open, trusting] = await Promise.all([
    startFunction(gateway, { ...environment(), ...limits }),
    startFunction(gateway, { ...environment(), ...limits, TRUSTED_PROXIES: 'loopback' }),
  ])
  ending.push(() => Promise.all([open.stop(), trusting.stop()]))
  for (const { metricsUrl } of [open, trusting]) {
    await until(
      'Redis counts',
      async () => (await fetch(metricsUrl)).text(),
      text => /tidemark_redis_up\{[^}]*\} 1/.test(text),
    )
  }
  const guess = async (door: Started, forwarded: string) => {
    const headers = { authorization: 'Bearer x', 'x-forwarded-for': forwarded }
    return (await door.request('GET /v1/orders', { headers })).status
  }
  const unused = () => `2001:db8::${Math.floor(Math.random() * 65_535).toString(16)}:${Date.now() % 9_999}`
  const [one, other] = [unused(), unused()]
  for (let count = 0; count < 3; count++) assert.equal(await guess(trusting, `${unused()}, ${one}`), 401)
  assert.equal(await guess(trusting, `${unused()}, ${one}`), 429, 'whatever it prepends')
  assert.equal(await guess(trusting, other), 401, 'another caller has a share of its own')
  const statuses = []
  for (let count = 0; count < 4; count++) statuses.push(await guess(open, unused()))
  assert.equal(statuses.at(-1), 429, 'without trust the header says nothing')
})

test('a bad value of TRUSTED_PROXIES stops the start with its name', async () => {
  await assert.rejects(startFunction(gateway, { ...environment(), TRUSTED_PROXIES: 'everybody' }), /TRUSTED_PROXIES: /)
})

test('a client over its limit is refused with the time to wait, and counted', async () => {
  behind = (_incoming, response) => response.end('{}')
  const strict = await startFunction(gateway, { ...environment(), RATE_LIMIT_REQUESTS: '2', RATE_LIMIT_SECONDS: '60' })
  ending.push(() => strict.stop())
  const client = `client-${Math.random()}`
  const ask = () => strict.request('GET /v1/orders', { client })
  // On a busy machine Redis may miss its deadline, and the gateway then counts by itself: at most two shares get through.
  let passed = 0
  let refused = await ask()
  for (; refused.status === 200 && passed < 5; passed++) refused = await ask()
  assert.deepEqual([refused.status, refused.body.code], [429, 'rate_limited'])
  assert.ok(passed >= 2 && passed <= 4, String(passed))
  assert.ok(Number(refused.headers.get('retry-after')) > 50)
  assert.match(await (await fetch(strict.metricsUrl)).text(), /tidemark_rate_limited_total\{[^}]*\} 1\n/)
})

test('an unknown path and an unknown method are told apart', async () => {
  const unknown = await ask('GET', '/v2/orders')
  assert.deepEqual([unknown.status, unknown.body.code], [404, 'not_found'])
  assert.match(unknown.body.detail, /\/docs/)
  const wrong = await ask('DELETE', '/v1/orders')
  assert.deepEqual([wrong.status, wrong.body.code], [405, 'method_not_allowed'])
  assert.equal(wrong.headers.allow, wrong.body.allow.join(', '))
  assert.match(String(wrong.headers.allow), /GET/)
})

test('by default no page of another origin may call', async () => {
  behind = (_incoming, response) => response.end('{}')
  const preflight = await ask('OPTIONS', '/v1/orders', {
    origin: 'https://shop.example',
    'access-control-request-method': 'POST',
  })
  assert.equal(preflight.headers['access-control-allow-origin'], undefined)
  const answer = await ask('GET', '/v1/orders', { origin: 'https://shop.example' })
  assert.equal(answer.headers['access-control-allow-origin'], undefined)
})

test('pages of the named origins may call, and no others', async () => {
  behind = (_incoming, response) => response.end('{}')
  const shared = await startFunction(gateway, { ...environment(), CORS_ORIGINS: 'https://shop.example, https://desk.example' })
  ending.push(() => shared.stop())
  const preflight = (origin: string) =>
    fetch(`${shared.url}/v1/orders`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,idempotency-key',
      },
    })
  const allowed = await preflight('https://desk.example')
  assert.equal(allowed.status, 204)
  assert.equal(allowed.headers.get('access-control-allow-origin'), 'https://desk.example')
  assert.match(allowed.headers.get('access-control-allow-headers') ?? '', /idempotency-key/)
  assert.match(allowed.headers.get('vary') ?? '', /origin/i)
  assert.equal((await preflight('https://other.example')).headers.get('access-control-allow-origin'), null)
  const answer = await shared.request('GET /v1/orders', { headers: { origin: 'https://shop.example' } })
  assert.equal(answer.headers.get('access-control-allow-origin'), 'https://shop.example')
  assert.match(answer.headers.get('access-control-expose-headers') ?? '', /etag/)
})

test('the reference is open to everybody: the document, its page, and all that the page loads', async () => {
  const document = await fetch(`${door.url}/openapi.json`)
  assert.equal(document.headers.get('content-type'), 'application/json')
  assert.equal(((await document.json()) as { openapi: string }).openapi, '3.1.0')
  for (const path of ['/docs', '/docs/']) {
    const page = await fetch(door.url + path)
    assert.deepEqual([page.status, page.headers.get('content-type')], [200, 'text/html; charset=utf-8'])
    assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'self'/)
    const loaded = [...(await page.text()).matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(match => match[1] as string)
    assert.equal(loaded.length, 3)
    for (const asset of loaded) {
      const answer = await fetch(door.url + asset)
      assert.equal(answer.status, 200, asset)
      assert.match(answer.headers.get('content-type') ?? '', asset.endsWith('.css') ? /^text\/css/ : /^text\/javascript/)
      assert.ok((await answer.text()).length > 50, asset)
    }
  }
  for (const path of ['/docs/package.json', '/docs/../package.json', '/docs/%2e%2e/package.json', '/docs/swagger-ui.js']) {
    const outgoing = asked('GET', '/')
    outgoing.path = path
    outgoing.end()
    assert.equal((await answerTo(outgoing)).statusCode, 404, path)
  }
})

test('a token is asked for at the same door, and the attempts are limited', async () => {
  let seen: { url?: string | undefined; authorization?: string | undefined } = {}
  behind = (incoming, response) => {
    seen = { url: incoming.url, authorization: incoming.headers.authorization }
    response.writeHead(401, { 'content-type': 'application/json' }).end('{"error":"invalid_client"}')
  }
  const answer = await ask('POST', '/oauth/token', { authorization: 'Basic cmV0YWlsZXI6eA==' })
  assert.deepEqual([answer.status, answer.body.error], [401, 'invalid_client'])
  assert.deepEqual(seen, { url: '/oauth/token', authorization: 'Basic cmV0YWlsZXI6eA==' })
  assert.match(String(answer.headers.ratelimit), /^"client";r=\d+/)
})

test('tokens are asked for where TOKEN_URL says, with its own path and by TLS where it says so', async () => {
  // Anonymous key exchange: a server that needs no certificate of its own.
  const ciphers = 'AECDH-AES256-SHA:@SECLEVEL=0'
  const asked: { url: string | undefined; type: string | undefined; body: string }[] = []
  const issuer = createTlsServer({ ciphers, maxVersion: 'TLSv1.2' }, async (incoming, response) => {
    asked.push({ url: incoming.url, type: incoming.headers['content-type'], body: await read(incoming) })
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"access_token":"x"}')
  })
  await new Promise<void>(resolve => issuer.listen(0, '127.0.0.1', resolve))
  ending.push(() => {
    issuer.close()
    issuer.closeAllConnections()
  })
  const port = String(await freePort())
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../main.ts'), 'gateway'], {
    env: {
      ...(await issuerEnvironment('gateway')),
      ...environment(),
      TOKEN_URL: `https://127.0.0.1:${(issuer.address() as AddressInfo).port}/realms/shop/token?tenant=7`,
      NODE_OPTIONS: `--tls-max-v1.2 --tls-cipher-list=${ciphers}`,
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
      PORT: port,
      METRICS_PORT: '0',
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  ending.push(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const answer = await fetch(`http://127.0.0.1:${port}/oauth/token?x=1`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'client_credentials' }),
  })
  assert.deepEqual([answer.status, await answer.json()], [200, { access_token: 'x' }])
  const form = 'application/x-www-form-urlencoded;charset=UTF-8'
  assert.deepEqual(asked, [{ url: '/realms/shop/token?tenant=7', type: form, body: 'grant_type=client_credentials' }])
})

test('when the client goes away, the function is told', async () => {
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
  const { promise: told, resolve: tell } = Promise.withResolvers<void>()
  behind = (_incoming, response) => {
    response.on('close', tell)
    arrive()
  }
  const outgoing = asked('GET', '/v1/orders')
  outgoing.on('error', () => {})
  outgoing.end()
  await arrived
  outgoing.destroy()
  await told
})

test('a client that goes away while its token is checked asks nothing of a function', async () => {
  let requests = 0
  behind = (_incoming, response) => {
    requests++
    response.end('{}')
  }
  const { port } = new URL(door.url)
  for (let count = 0; count < 5; count++) {
    const token = await issueToken({ client: `impatient-${count}` })
    const socket = connect(Number(port), '127.0.0.1')
    await once(socket, 'connect')
    socket.write(`GET /v1/orders HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n\r\n`)
    socket.resetAndDestroy()
  }
  await until(
    'nothing is in flight',
    async () => (await (await fetch(door.metricsUrl)).text()).match(/tidemark_requests_in_flight\{[^}]*\} (\d+)/)?.[1],
    inFlight => inFlight === '0',
  )
  assert.equal(requests, 0)
})

test('the log names client, operation and status, and neither token nor query', async () => {
  behind = (incoming, response) => {
    if (!incoming.url?.includes('forever')) response.end('{}')
  }
  const port = String(await freePort())
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../main.ts'), 'gateway'], {
    env: { ...environment(), ...(await issuerEnvironment('gateway')), ...environment(), PORT: port, METRICS_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  ending.push(() => child.kill('SIGKILL'))
  let output = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    output += text
  })
  const lines = () => output.split('\n').flatMap(line => (line.includes('"answered"') ? [JSON.parse(line)] : []))
  await until(
    'it listens',
    () => output,
    text => text.includes('listening'),
  )
  const url = `http://127.0.0.1:${port}`
  const token = await issueToken({ client: 'warehouse-7' })
  await fetch(`${url}/v1/orders?customer=jane%40example.com`, { headers: { authorization: `Bearer ${token}` } })
  await fetch(`${url}/v1/orders`, { headers: { authorization: 'Bearer guessed-token' } })
  const client = new AbortController()
  const waiting = fetch(`${url}/v1/orders/forever`, { headers: { authorization: `Bearer ${token}` }, signal: client.signal })
  setTimeout(() => client.abort(), 200)
  await assert.rejects(waiting)
  const [asked, refused, left] = await until('three lines are there', lines, found => found.length === 3)
  assert.deepEqual(
    [asked.operation, asked.function, asked.client, asked.status, asked.level],
    ['orders-list', 'orders-read', 'warehouse-7', 200, 'info'],
  )
  assert.ok(asked.requestId && asked.traceId && asked.ms >= 0)
  assert.deepEqual([refused.status, refused.client, refused.level], [401, undefined, 'info'])
  assert.deepEqual(
    [left.operation, left.client, left.level],
    ['orders-read', 'warehouse-7', 'info'],
    'leaving is no failure of ours',
  )
  for (const secret of [token, 'guessed-token', 'jane', 'Bearer']) assert.ok(!output.includes(secret), secret)
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}
