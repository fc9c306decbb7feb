import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pretendKubectl } from './pretend-kubectl.ts'
import { awaitFunctions, awaitJob, awaitSources, type KnativeService, pinned, stateOf } from './readiness.ts'

type Status = NonNullable<KnativeService['status']>

const fn = (
  name: string,
  status?: Partial<Status>,
  ready: 'True' | 'False' | 'Unknown' = 'True',
  reason = '',
): KnativeService => ({
  metadata: { name, generation: 2 },
  spec: {},
  status: {
    observedGeneration: 2,
    latestCreatedRevisionName: `${name}-2`,
    latestReadyRevisionName: `${name}-2`,
    conditions: [{ type: 'Ready', status: ready, ...(reason && { reason, message: 'because' }) }],
    ...status,
  },
})

test('a function is ready when its newest revision is, not while an older one still serves', () => {
  assert.equal(stateOf(fn('orders-read')).ready, true)
  assert.equal(stateOf(fn('orders-read', { latestReadyRevisionName: 'orders-read-1' })).ready, false)
  assert.equal(stateOf(fn('orders-read', { observedGeneration: 1 })).ready, false, 'what Knative says is about the one before')
  assert.equal(stateOf(fn('orders-read', {}, 'Unknown')).ready, false)
  assert.equal(stateOf({ metadata: { name: 'orders-read', generation: 1 }, spec: {} }).ready, false)
})

test('a revision that was given all its time has failed; one that is being made has not', () => {
  assert.deepEqual(stateOf(fn('orders-read', {}, 'False', 'ProgressDeadlineExceeded')), {
    ready: false,
    failed: true,
    reason: 'ProgressDeadlineExceeded: because',
  })
  assert.equal(stateOf(fn('orders-read', {}, 'Unknown', 'Deploying')).failed, false)
})

const waiting = (services: readonly KnativeService[], pods: readonly object[] = []) =>
  pretendKubectl(([kind]) => ({ items: kind === 'pods' ? pods : services }))
const awaiting = async (services: readonly KnativeService[], pods?: readonly object[]) => {
  const lines: string[] = []
  const options = { namespace: 'shop', timeout: 0, say: (line: string) => lines.push(line) }
  const error = await awaitFunctions(waiting(services, pods), options).then(
    () => undefined,
    (failure: Error) => failure.message,
  )
  return { lines, error }
}

test('when all are ready the wait is over', async () => {
  const { lines, error } = await awaiting([fn('orders-read'), fn('orders-place')])
  assert.deepEqual([lines, error], [['2 of 2 functions are ready'], undefined])
})

test('who is waited for is named with the last words of its container, which Knative does not tell', async () => {
  const pod = {
    metadata: { labels: { 'serving.knative.dev/service': 'orders-place' } },
    status: {
      containerStatuses: [
        {
          name: 'user-container',
          restartCount: 2,
          state: { waiting: { reason: 'CrashLoopBackOff' } },
          lastState: { terminated: { exitCode: 1, message: 'The configuration is not usable.\n  TOKEN_URL: Invalid URL\n' } },
        },
      ],
    },
  }
  const [container] = pod.status.containerStatuses
  const restarted = { ...pod, status: { containerStatuses: [{ ...container, ready: false, state: { running: {} } }] } }
  const { lines, error } = await awaiting([fn('orders-read'), fn('orders-place', {}, 'Unknown', 'Deploying')], [pod])
  const told = 'orders-place: ended with 1: The configuration is not usable.   TOKEN_URL: Invalid URL'
  assert.deepEqual(lines, ['1 of 2 functions are ready', `  ${told}`])
  assert.match(error ?? '', /^1 of 2 functions did not become ready; those that ran before still serve:/)
  assert.ok(error?.includes(told))
  const between = await awaiting([fn('orders-place', {}, 'Unknown', 'Deploying')], [restarted])
  assert.ok(between.error?.includes(told), 'in the middle of the next start it is the same trouble')
})

test('what every function goes through is not told as a trouble', async () => {
  const { lines } = await awaiting([fn('orders-read', {}, 'Unknown', 'RevisionMissing')])
  assert.deepEqual(lines, ['0 of 1 functions are ready'])
})

test('no functions at all is no success', async () => {
  assert.match((await awaiting([])).error ?? '', /^0 of 0 functions/)
})

test('traffic that somebody pinned is found; traffic that follows the newest revision is not pinned', () => {
  const following = { ...fn('a'), spec: { traffic: [{ latestRevision: true, percent: 100 }] } }
  const held = { ...fn('b'), spec: { traffic: [{ latestRevision: false, revisionName: 'b-1', percent: 100 }] } }
  const tagged = {
    ...fn('c'),
    spec: {
      traffic: [
        { latestRevision: true, percent: 100 },
        { revisionName: 'c-1', percent: 0 },
      ],
    },
  }
  assert.deepEqual(pinned([following, held, tagged, fn('d')]), ['b'])
})

test('sources are waited for where somebody serves them; one that is not is named with what it lacks', async () => {
  const source = (name: string, ready: 'True' | 'False') => fn(name, {}, ready, 'Schedule')
  const lines: string[] = []
  const options = { namespace: 'shop', timeout: 0, say: (line: string) => lines.push(line) }
  await awaitSources(waiting([source('orders-settle', 'True')]), options)
  await assert.rejects(
    awaitSources(waiting([source('orders-settle', 'True'), source('payments-charge', 'False')]), options),
    /1 KafkaSources did not become ready:\n {2}payments-charge: Schedule because/,
  )
  assert.deepEqual(lines, ['1 of 1 KafkaSources are ready', '1 of 2 KafkaSources are ready'])
})

test('a job that failed is an error with its last words', async () => {
  const job = (type: string) => pretendKubectl(() => ({ status: { conditions: [{ type, status: 'True' }] } }))
  await awaitJob(job('Complete'), 'migrate', 'shop', 1_000)
  const failing = { ...job('Failed'), run: async () => 'relation "x" already exists\n' }
  await assert.rejects(
    awaitJob(failing, 'migrate', 'shop', 1_000),
    /The job migrate did not succeed:\nrelation "x" already exists/,
  )
})
