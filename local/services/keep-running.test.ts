import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { keepRunning } from './keep-running.ts'
import type { Service } from './service.ts'

const folder = mkdtempSync(join(tmpdir(), 'tidemark-keep-running-'))
after(() => rmSync(folder, { recursive: true }))

const book = { add() {}, remove() {}, close() {} }
const said: string[] = []
const options = { logFile: join(folder, 'child.log'), book, say: (line: string) => said.push(line), restart: true }

function shell(script: string, more: Partial<Service> = {}): Service {
  return {
    name: 'child',
    program: () => ({ file: 'sh', args: ['-c', script], cwd: folder }),
    probe: () => (existsSync(join(folder, 'up')) ? Promise.resolve() : Promise.reject(new Error('not up'))),
    readyWithinMs: 5_000,
    stopSignal: 'SIGTERM',
    stopWithinMs: 5_000,
    ...more,
  }
}

test('a service that ends before it answers fails with the end of its log and where that is', async () => {
  await assert.rejects(keepRunning(shell('echo the disk is full; exit 3'), options), (error: Error) => {
    for (const part of ['child ended with code 3', 'the disk is full', options.logFile])
      assert.ok(error.message.includes(part), part)
    return true
  })
})

test('a program that is not there is an error and not a crash', async () => {
  const service = shell('', { program: () => ({ file: join(folder, 'nowhere'), args: [] }) })
  await assert.rejects(keepRunning(service, options), /could not be started/)
})

test('a service that never answers is ended at its deadline', async () => {
  await assert.rejects(keepRunning(shell('sleep 60', { readyWithinMs: 200 }), options), /did not answer within 0.2 s \(not up\)/)
})

test('what a failed start could put right is tried once more', async () => {
  let broken = true
  const service = shell('', {
    program: () => ({ file: 'sh', args: ['-c', broken ? 'exit 1' : 'touch up; exec sleep 60'], cwd: folder }),
    afterFailedStart: () => {
      broken = false
      return true
    },
  })
  const running = await keepRunning(service, options)
  assert.ok(running.pid())
  await running.stop()
  assert.equal(running.pid(), undefined)
})

test('a service that died is started again, and one that was stopped is not', async () => {
  const running = await keepRunning(shell('touch up; exec sleep 60'), options)
  const first = running.pid() ?? 0
  process.kill(first, 'SIGKILL')
  while (running.pid() === first || running.pid() === undefined) await sleep(10)
  await sleep(100)
  assert.ok(said.some(line => line.startsWith('child: running again')))
  await running.stop()
  await sleep(300)
  assert.equal(running.pid(), undefined)
})

test('a service that does not stop when asked is killed after its deadline', async () => {
  const stubborn = shell('trap "" TERM; touch up; while :; do sleep 0.1; done', { stopWithinMs: 200 })
  const running = await keepRunning(stubborn, options)
  await sleep(100)
  await running.stop()
  assert.equal(running.pid(), undefined)
  assert.ok(said.some(line => line.includes('killing it')))
})
