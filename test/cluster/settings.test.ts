import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { call, inNamespace, isReady, metric, type Pod, pods, until } from './cluster.ts'

let gateway: Pod
before(async () => {
  // A revision that another test has left takes its pod away in its own time, and that one answers nobody.
  const found = await until(
    'the gateway is one pod',
    240,
    () => pods('gateway'),
    all => all.length === 1 && all.every(isReady),
  )
  gateway = found[0] as Pod
})
after(() => set({ RATE_LIMIT_REQUESTS: null }))

/** Changes the shared ConfigMap. The kubelet looks once a minute or so, and at once when its pod changes. */
async function set(data: Record<string, string | null>): Promise<void> {
  await inNamespace(['patch', 'configmap/tidemark', '--type=merge', '-p', JSON.stringify({ data })])
  const looked = `tidemark.dev/looked=${Date.now()}`
  for (const { metadata } of await pods('gateway')) await inNamespace(['annotate', '--overwrite', `pod/${metadata.name}`, looked])
}

const policy = async (): Promise<string> => String((await call('GET /v1/stock?limit=1')).headers['ratelimit-policy'])

test('a setting that changes is followed without a restart', async () => {
  assert.equal(await policy(), '"client";q=1000;w=1')
  await set({ RATE_LIMIT_REQUESTS: '777' })
  await until('the new limit holds', 120, policy, found => found === '"client";q=777;w=1')
  assert.equal(await metric(gateway.metadata.name, 'tidemark_config_reloads_total', { result: 'applied' }), 1)
})

test('a value that cannot be used is refused, the one before stays, and it is seen', async () => {
  await set({ RATE_LIMIT_REQUESTS: 'plenty' })
  await until(
    'the refusal is seen',
    120,
    () => metric(gateway.metadata.name, 'tidemark_config_refused'),
    refused => refused === 1,
  )
  assert.equal(await policy(), '"client";q=777;w=1')
  const log = await inNamespace(['logs', gateway.metadata.name, '-c', 'user-container', '--since=5m'])
  const line = log.split('\n').find(text => text.includes('RATE_LIMIT_REQUESTS') && text.includes('"level":"error"'))
  assert.ok(line, 'the log names the variable')
  assert.ok(!line.includes('plenty'), 'and not its value')
})

test('a setting that is taken away is its default again, and all of it happened in one and the same process', async () => {
  await set({ RATE_LIMIT_REQUESTS: null })
  await until('the default holds', 120, policy, found => found === '"client";q=1000;w=1')
  assert.equal(await metric(gateway.metadata.name, 'tidemark_config_refused'), 0)
  const now = (await pods('gateway')).find(({ metadata }) => metadata.name === gateway.metadata.name)
  assert.ok(now?.status.containerStatuses?.every(({ restartCount }) => restartCount === 0))
})
