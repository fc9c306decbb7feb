import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Instance, startInstance } from './instance.ts'

const folder = mkdtempSync(join(tmpdir(), 'tidemark-instance-'))
const running: Instance[] = []
after(async () => {
  await Promise.all(running.map(instance => instance.stop(0)))
  rmSync(folder, { recursive: true })
})

/** A function of a few lines: its second probe finds it ready, and `/` answers with its environment. */
const script = (onTerm: string) => `
let probes = 0
const server = require('node:http').createServer((request, response) => {
  if (request.url === '/health/readiness') return response.writeHead(++probes > 1 ? 200 : 503).end()
  response.end(JSON.stringify(process.env))
}).listen(Number(process.env.PORT), process.env.HOST)
process.on('SIGTERM', () => { console.log('asked to end'); ${onTerm} })
`

let files = 0
async function instanceOf(code: string, env: Record<string, string> = {}) {
  const logFile = join(folder, `${++files}.log`)
  const pids: number[] = []
  const instance = await startInstance({
    name: 'orders-read',
    command: [process.execPath, '-e', code],
    env,
    logFile,
    started: pid => pids.push(pid),
  })
  running.push(instance)
  return { instance, pids, log: () => readFileSync(logFile, 'utf8') }
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('an instance is handed out once it says that it is ready, and has just the environment it was given', async () => {
  const { instance, pids } = await instanceOf(script('process.exit(0)'), { ORDERS_DATABASE_URL: 'postgres://here' })
  assert.deepEqual(pids, [instance.pid])
  const env = (await (await fetch(`http://127.0.0.1:${instance.port}/`)).json()) as Record<string, string>
  const { __CF_USER_TEXT_ENCODING: _, ...own } = env
  assert.deepEqual(own, {
    ORDERS_DATABASE_URL: 'postgres://here',
    HOST: '127.0.0.1',
    PORT: String(instance.port),
    METRICS_PORT: String(instance.metricsPort),
  })
})

test('stopping asks first, and what it writes is in its log', async () => {
  const { instance, log } = await instanceOf(script('setTimeout(() => process.exit(0), 50)'))
  await instance.stop(5_000)
  await instance.ended
  assert.equal(isAlive(instance.pid), false)
  assert.equal(log(), 'asked to end\n')
})

test('what does not drain in time is ended', async () => {
  const { instance, log } = await instanceOf(script(''))
  await instance.stop(200)
  assert.equal(isAlive(instance.pid), false)
  assert.equal(log(), 'asked to end\n')
})

test('stopping twice, or what has ended by itself, is nothing', async () => {
  const { instance } = await instanceOf(script('process.exit(0)'))
  process.kill(instance.pid, 'SIGKILL')
  await instance.ended
  await instance.stop(5_000)
  await instance.stop(5_000)
})

test('a process that ends before it is ready fails the start, and says where its log is', async () => {
  await assert.rejects(
    instanceOf(`console.error('ORDERS_DATABASE_URL: Invalid URL'); process.exit(1)`),
    /orders-read did not become ready; its log is .*\.log/,
  )
  assert.match(readFileSync(join(folder, `${files}.log`), 'utf8'), /Invalid URL/)
})

test('a program that is not there fails the start', async () => {
  const start = startInstance({
    name: 'orders-read',
    command: [join(folder, 'nothing')],
    env: {},
    logFile: join(folder, 'nothing.log'),
    started: () => {},
  })
  await assert.rejects(start, /orders-read could not be started/)
})
