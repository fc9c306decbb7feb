import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import type { Scale } from '../../shared/function/declare.ts'
import type { Instance } from './instance.ts'
import { Revision } from './revision.ts'

interface FakeInstance extends Instance {
  /** The process ends by itself. */
  crash(): void
  stopping: boolean
}

/** A revision whose instances are made by the test, one `ready` or `broken` for each start. */
function revisionOf(scale: Partial<Scale>, { most = 9, idle = 20 } = {}) {
  const instances: FakeInstance[] = []
  const starts: { resolve: (instance: Instance) => void; reject: (error: Error) => void }[] = []
  const said: string[] = []
  const revision = new Revision({
    name: 'orders-read',
    scale: { min: 0, max: 10, concurrency: 10, timeout: 30, ...scale },
    most,
    idle,
    say: line => said.push(line),
    start: () => {
      const { promise, resolve, reject } = Promise.withResolvers<Instance>()
      starts.push({ resolve, reject })
      return promise
    },
  })
  let begun = 0
  const next = async () => {
    const start = starts[begun++]
    assert.ok(start, 'an instance is being started')
    return start
  }
  return {
    revision,
    instances,
    said,
    starts: () => starts.length,
    async ready(): Promise<FakeInstance> {
      const start = await next()
      const instance = fakeInstance(4_000 + begun)
      instances.push(instance)
      start.resolve(instance)
      await turn()
      return instance
    },
    async broken(): Promise<void> {
      ;(await next()).reject(new Error('orders-read did not become ready'))
      await turn()
    },
  }
}

function fakeInstance(port: number): FakeInstance {
  const { promise: ended, resolve: crash } = Promise.withResolvers<void>()
  const instance: FakeInstance = {
    port,
    metricsPort: port + 1_000,
    pid: port + 2_000,
    inFlight: 0,
    ended,
    crash,
    stopping: false,
    async stop() {
      instance.stopping = true
      crash()
    },
  }
  return instance
}

const settled = async (promise: Promise<unknown>): Promise<boolean> => {
  let done = false
  promise.then(
    () => (done = true),
    () => (done = true),
  )
  await turn()
  return done
}

test('the first request starts an instance and waits until it is ready', async () => {
  const { revision, ready, starts } = revisionOf({})
  assert.equal(starts(), 0)
  const lease = revision.lease()
  assert.equal(starts(), 1)
  assert.equal(await settled(lease), false)
  const instance = await ready()
  assert.equal((await lease).port, instance.port)
  assert.equal(revision.coldStarts, 1)
})

test('requests that come while it starts wait for the same instance', async () => {
  const { revision, ready, starts } = revisionOf({})
  const leases = [revision.lease(), revision.lease(), revision.lease()]
  const instance = await ready()
  assert.deepEqual(
    (await Promise.all(leases)).map(({ port }) => port),
    [instance.port, instance.port, instance.port],
  )
  assert.deepEqual([starts(), instance.inFlight], [1, 3])
})

test('an instance is never given more requests at once than its limit', async () => {
  const { revision, ready, starts } = revisionOf({ concurrency: 2 }, { most: 1 })
  const leases = [revision.lease(), revision.lease(), revision.lease()] as const
  const instance = await ready()
  const first = await leases[0]
  assert.equal(await settled(leases[2]), false)
  assert.deepEqual([instance.inFlight, starts()], [2, 1])
  first.release()
  await leases[2]
  assert.equal(instance.inFlight, 2)
})

test('a request that is given back twice counts once', async () => {
  const { revision, ready } = revisionOf({ concurrency: 2 }, { most: 1 })
  const lease = revision.lease()
  const instance = await ready()
  ;(await lease).release()
  ;(await lease).release()
  assert.equal(instance.inFlight, 0)
})

test('a second instance is started when more than 70 % of the first is in use, and takes the next requests', async () => {
  const { revision, ready, starts } = revisionOf({ concurrency: 10 })
  const first = revision.lease()
  const one = await ready()
  await first
  for (let count = 2; count <= 7; count++) await revision.lease()
  assert.deepEqual([one.inFlight, starts()], [7, 1], '7 of 10 are no reason')
  await revision.lease()
  assert.equal(starts(), 2)
  const two = await ready()
  assert.equal((await revision.lease()).port, two.port, 'the least busy one is asked')
})

test("there are never more instances than the function's own limit or the machine's", async () => {
  for (const [scale, limits] of [
    [{ max: 2, concurrency: 1 }, { most: 9 }],
    [{ max: 10, concurrency: 1 }, { most: 2 }],
  ] as const) {
    const { revision, starts, ready } = revisionOf(scale, limits)
    const leases = Array.from({ length: 20 }, () => revision.lease())
    await ready()
    await ready()
    await Promise.all(leases.slice(0, 2))
    assert.equal(starts(), 2)
    assert.equal(revision.pids.length, 2)
  }
})

test('a function without a limit of its own gets all requests on one instance until there are 70', async () => {
  const { revision, ready, starts } = revisionOf({ concurrency: 0 })
  const lease = revision.lease()
  const instance = await ready()
  await lease
  for (let count = 2; count <= 70; count++) await revision.lease()
  assert.deepEqual([instance.inFlight, starts()], [70, 1])
  await revision.lease()
  assert.equal(starts(), 2)
})

test('an instance without requests is stopped, one that works is not', async () => {
  const { revision, ready } = revisionOf({})
  const lease = revision.lease()
  const instance = await ready()
  await wait(60)
  assert.equal(instance.stopping, false, 'it works on a request')
  ;(await lease).release()
  await wait(60)
  assert.equal(instance.stopping, true)
  assert.deepEqual(revision.pids, [])
})

test('each instance is idle on its own: a busy one keeps no other one running', async () => {
  const { revision, ready } = revisionOf({ concurrency: 1 }, { idle: 40 })
  const leases = [revision.lease(), revision.lease()]
  await ready()
  await ready()
  for (const lease of await Promise.all(leases)) lease.release()
  assert.equal(revision.pids.length, 2)
  for (let count = 0; count < 12; count++) {
    const lease = await revision.lease()
    await wait(10)
    lease.release()
  }
  assert.equal(revision.pids.length, 1)
})

test('what must not scale to zero is started without a request and never stopped for want of one', async () => {
  const { revision, ready, instances } = revisionOf({ min: 1 })
  const warm = revision.warm()
  const instance = await ready()
  await warm
  ;(await revision.lease()).release()
  await wait(60)
  assert.equal(instance.stopping, false)
  assert.equal(instances.length, 1)
})

test('of several idle instances the least that must run stays', async () => {
  const { revision, ready, instances } = revisionOf({ min: 1, concurrency: 1 })
  const warm = revision.warm()
  await ready()
  await warm
  const first = await revision.lease()
  const second = revision.lease()
  await ready()
  first.release()
  ;(await second).release()
  await wait(60)
  assert.equal(instances.filter(({ stopping }) => !stopping).length, 1)
})

test('an instance that crashes is started again when one must always run', async () => {
  const { revision, ready, starts } = revisionOf({ min: 1 })
  const warm = revision.warm()
  const instance = await ready()
  await warm
  instance.crash()
  await wait(350)
  assert.equal(starts(), 2)
  const again = await ready()
  assert.equal((await revision.lease()).port, again.port)
})

test('an instance that crashes is not started again without a request when it may scale to zero', async () => {
  const { revision, ready, starts } = revisionOf({})
  const lease = revision.lease()
  const instance = await ready()
  instance.crash()
  ;(await lease).release()
  await wait(350)
  assert.equal(starts(), 1)
  void revision.lease()
  assert.equal(starts(), 2)
})

test('requests that wait when the only instance crashes are given the next one', async () => {
  const { revision, ready } = revisionOf({ concurrency: 1 }, { most: 1 })
  const first = revision.lease()
  const waiting = revision.lease()
  const instance = await ready()
  await first
  instance.crash()
  await turn()
  const next = await ready()
  assert.equal((await waiting).port, next.port)
})

test('a start that fails is told to every request that waits, and the next request tries again', async () => {
  const { revision, broken, ready, said } = revisionOf({})
  const leases = [revision.lease(), revision.lease()]
  await Promise.all([broken(), ...leases.map(lease => assert.rejects(lease, /did not become ready/))])
  assert.deepEqual(said, ['orders-read did not become ready'])
  const lease = revision.lease()
  const instance = await ready()
  assert.equal((await lease).port, instance.port)
})

test('a start that fails beside an instance that works costs no request', async () => {
  const { revision, broken, ready } = revisionOf({ concurrency: 1 })
  const first = revision.lease()
  await ready()
  const waiting = revision.lease()
  await broken()
  assert.equal(await settled(waiting), false)
  ;(await first).release()
  await waiting
})

test('a request that arrives while the idle instance is being stopped gets a new one', async () => {
  const { revision, ready, starts } = revisionOf({})
  const lease = revision.lease()
  const instance = await ready()
  ;(await lease).release()
  let drained = () => {}
  instance.stop = () => {
    instance.stopping = true
    return new Promise(resolve => {
      drained = resolve
    })
  }
  while (!instance.stopping) await wait(5)
  const next = revision.lease()
  assert.equal(starts(), 2)
  const fresh = await ready()
  assert.equal((await next).port, fresh.port)
  drained()
})

test('stopping refuses the requests that wait and those that come later, and starts nothing more', async () => {
  const { revision, ready, starts } = revisionOf({ concurrency: 1 }, { most: 1 })
  const first = revision.lease()
  const waiting = revision.lease()
  await ready()
  await first
  await Promise.all([revision.stop(), assert.rejects(waiting, /is being stopped/)])
  await assert.rejects(revision.lease(), /is being stopped/)
  assert.equal(starts(), 1)
})

test('stopping also ends an instance that is just being started', async () => {
  const { revision, ready } = revisionOf({})
  const lease = revision.lease()
  lease.catch(() => {})
  const stopped = revision.stop()
  assert.equal(await settled(stopped), false, 'it waits for the process that is on its way')
  const instance = await ready()
  await stopped
  assert.equal(instance.stopping, true)
})
