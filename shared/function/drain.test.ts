import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { issuerEnvironment, issueToken } from '../../test/token-issuer.ts'

type Line = Record<string, unknown>

/** A process of its own, with every line of its log. */
async function startProcess(): Promise<{ child: ChildProcess; port: number; lines: Line[]; ended: Promise<number> }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../test/slow-process.ts')], {
    env: {
      ...process.env,
      ...(await issuerEnvironment('slow')),
      PORT: '0',
      METRICS_PORT: '0',
      LOG_LEVEL: 'info',
      DRAIN_DEADLINE: '8000',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines: Line[] = []
  const { promise, resolve } = Promise.withResolvers<number>()
  const output = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  output.on('line', text => {
    const line = JSON.parse(text) as Line
    lines.push(line)
    if (line.msg === 'listening') resolve(Number(line.port))
  })
  const ended = Promise.all([once(child, 'exit'), once(output, 'close')]).then(([[code]]) => code as number)
  return { child, port: await promise, lines, ended }
}

const agent = new Agent({ keepAlive: true })

async function post(port: number, path: string, body: object): Promise<number> {
  const token = await issueToken()
  return new Promise((resolve, reject) => {
    const outgoing = request({
      ...{ port, path, agent, host: '127.0.0.1', method: 'POST' },
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    })
    outgoing.on('error', reject)
    outgoing.on('response', answer => {
      answer.resume()
      answer.on('end', () => resolve(answer.statusCode ?? 0))
    })
    outgoing.end(JSON.stringify(body))
  })
}

test('a process that is asked to end loses no request in flight, and ends as soon as the last is answered', async () => {
  const { child, port, lines, ended } = await startProcess()
  await Promise.all(Array.from({ length: 5 }, () => post(port, '/v1/waits', { ms: 1 })))
  const answers = Array.from({ length: 20 }, (_, index) => post(port, '/v1/waits', { ms: 500 + index * 10 }))
  await new Promise(resolve => setTimeout(resolve, 250))
  const asked = performance.now()
  child.kill('SIGTERM')
  assert.deepEqual(await Promise.all(answers), Array(20).fill(200))
  assert.equal(await ended, 0)
  const took = performance.now() - asked
  assert.ok(took < 3_000, `it waited ${Math.round(took)} ms, though the last answer was due after some 500`)
  const said = (what: string) => lines.filter(({ msg }) => msg === what).length
  assert.deepEqual([said('answered'), said('drained')], [25, 1], 'no line of the log is lost')
})

test('a process without work ends at once, though clients keep their connections', async () => {
  const { child, port, ended } = await startProcess()
  await post(port, '/v1/waits', { ms: 1 })
  const asked = performance.now()
  child.kill('SIGTERM')
  assert.equal(await ended, 0)
  assert.ok(performance.now() - asked < 2_000)
})

test('a log line says what was asked and how it ended, with personal data masked and no secret', async () => {
  const { child, port, lines, ended } = await startProcess()
  const personal = {
    email: 'anna@example.com',
    customer: 'Johanna Doe',
    nested: { phone: '+44 20 7946 0189', to: 'anna@example.com' },
  }
  const status = await post(port, '/v1/notes', { ...personal, token: 'hunter2', nested2: { password: 'hunter2' }, count: 3 })
  assert.equal(status, 500)
  child.kill('SIGTERM')
  await ended
  const text = JSON.stringify(lines)
  assert.doesNotMatch(text, /anna@|Johanna|7946|hunter2/)
  const noted = lines.find(line => line.msg === 'noted')
  assert.equal(noted?.email, 'a•••@example.com')
  assert.equal(noted?.customer, 'J•••')
  assert.equal(noted?.count, 3)
  const answered = lines.find(line => line.msg === 'answered')
  assert.equal(answered?.level, 'error')
  assert.equal(answered?.operation, 'note')
  assert.equal(answered?.requestId, noted?.requestId)
  const cause = (answered?.cause ?? []) as string[]
  assert.match(cause[0] ?? '', /with a cause/)
  assert.match(cause[1] ?? '', /the root/)
})
