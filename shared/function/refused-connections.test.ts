import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { RefusedConnections } from './refused-connections.ts'

test('many that were refused at once are stopped, and let go in their order, four a millisecond', async () => {
  const connections = new RefusedConnections()
  const count = 1_000
  const stopped: number[] = []
  const letGo: number[] = []
  const began = performance.now()
  const all = Promise.withResolvers<void>()
  for (let number = 0; number < count; number++) {
    connections.add({
      pause: () => stopped.push(number),
      resume() {
        assert.ok(letGo.length <= 4 * (performance.now() - began) + 4, `${letGo.length} after ${performance.now() - began} ms`)
        if (letGo.push(number) === count) all.resolve()
      },
    } as unknown as Socket)
  }
  assert.equal(stopped.length, 0, 'its answer goes out first')
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(stopped.length, count)
  await all.promise
  assert.deepEqual(letGo, stopped)
  assert.ok(performance.now() - began < 2_000)
})

test('one that is refused again, after the others were let go, waits for nobody', async () => {
  const connections = new RefusedConnections()
  for (let round = 0; round < 2; round++) {
    const began = performance.now()
    await new Promise<void>(resolve => connections.add({ pause: () => {}, resume: resolve } as unknown as Socket))
    assert.ok(performance.now() - began < 100)
  }
})
