import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { takeBackup } from '../../local/services/backup.ts'
import { removeServicesData } from '../../local/services/start.ts'
import { migrate } from '../../shared/data/migrate.ts'
import { type DrillServer, startServer, startStandby } from '../../test/chaos/recovery-server.ts'
import { type Started, startFunction, until } from '../../test/environment.ts'
import { inventory } from './inventory.ts'

/** A primary and a streaming replica, as they really are: the shared server of the tests has none. */
let folder: string
let primary: DrillServer
let standby: DrillServer
/** One function that bears a replica far behind, and one that does not. */
let patient: Started
let strict: Started
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-replica-'))
  const home = join(folder, 'primary')
  primary = await startServer(home, {})
  await primary.sql.unsafe('create database stock')
  await migrate({ url: `${primary.url}/stock`, database: 'inventory' })
  const backup = await takeBackup({ dataDir: home, out: join(folder, 'backup'), keep: 1, say: () => {} })
  const password = await readFile(join(home, 'postgres-password'), 'utf8')
  standby = await startStandby(join(folder, 'standby'), backup.folder, primary.port, password)
  const env = { INVENTORY_DATABASE_URL: `${primary.url}/stock`, INVENTORY_DATABASE_REPLICA_URL: `${standby.url}/stock` }
  ;[patient, strict] = await Promise.all([
    startFunction(inventory, { ...env, REPLICA_MAX_LAG: '600000' }),
    startFunction(inventory, { ...env, REPLICA_MAX_LAG: '1500' }),
  ])
})
after(async () => {
  await Promise.all([patient?.stop(), strict?.stop()])
  await standby?.stop()
  await primary?.stop()
  for (const name of ['primary', 'standby']) await removeServicesData(join(folder, name))
  await rm(folder, { recursive: true, force: true })
})

interface Level {
  sku: string
  version: number
}
const receive = async (sku: string) => {
  const { body } = await patient.request<{ levels: Level[] }>('POST /v1/stock/receipts', {
    body: { lines: [{ sku, quantity: 1 }] },
  })
  return body.levels[0]?.version as number
}
const versionOf = async (path: string, headers = {}) =>
  (await patient.request<Level>(`GET /v1/stock/${path}`, { headers })).body.version
const listed = async (from: Started, sku: string) =>
  (await from.request<{ items: Level[] }>(`GET /v1/stock?sku=${sku}`)).body.items[0]?.version
const readsFrom = async (fn: Started, place: string) => {
  const text = await (await fetch(fn.metricsUrl)).text()
  return Number(new RegExp(`tidemark_replica_reads_total{from="${place}"[^}]*} (\\d+)`).exec(text)?.[1] ?? 0)
}
const untilReplicated = (sku: string, version: number) =>
  until(
    `the replica lists version ${version}`,
    async () => [await listed(patient, sku), await readsFrom(patient, 'replica')] as const,
    ([found, reads]) => found === version && reads > 0,
  )

test('lists and history are read from the replica, and a version that it has not got from the primary', async () => {
  assert.equal(await receive('A'), 1)
  await untilReplicated('A', 1)
  await standby.sql`select pg_wal_replay_pause()`
  try {
    assert.equal(await receive('A'), 2)
    assert.equal(await listed(patient, 'A'), 1, 'the list is as old as the replica')
    const history = await patient.request<{ items: Level[] }>('GET /v1/stock/movements?sku=A')
    assert.equal(history.body.items.length, 1)
    assert.equal(await versionOf('A/main?minVersion=1'), 1, 'old enough for the replica')
    assert.equal(await versionOf('A/main?minVersion=2'), 2, 'the replica is behind, the primary is not')
    assert.equal(await versionOf('A/main'), 2, 'who names no version is told the newest')
    assert.equal(await versionOf('A/main?minVersion=1', { 'cache-control': 'no-cache' }), 2)
  } finally {
    await standby.sql`select pg_wal_replay_resume()`
  }
})

test('a replica that is too far behind is left alone until it has caught up', async () => {
  const version = await receive('B')
  await untilReplicated('B', version)
  await until(
    'the strict one reads the replica',
    async () => [await listed(strict, 'B'), await readsFrom(strict, 'replica')],
    ([, reads]) => (reads ?? 0) > 0,
  )
  await standby.sql`select pg_wal_replay_pause()`
  try {
    const next = await receive('B')
    await until(
      "the list is the primary's",
      () => listed(strict, 'B'),
      found => found === next,
    )
    assert.ok((await readsFrom(strict, 'primary')) > 0)
    assert.equal(await listed(patient, 'B'), version)
  } finally {
    await standby.sql`select pg_wal_replay_resume()`
  }
  const before = await readsFrom(strict, 'replica')
  await until(
    'the replica is read again',
    async () => [await listed(strict, 'B'), await readsFrom(strict, 'replica')],
    ([, reads]) => (reads ?? 0) > before,
  )
})

test('without the replica everything is read from the primary, and nobody notices', async () => {
  const version = await receive('C')
  await untilReplicated('C', version)
  await standby.stop()
  for (let read = 0; read < 20; read++) {
    const answer = await patient.request<{ items: Level[] }>('GET /v1/stock?sku=C')
    assert.deepEqual([answer.status, answer.body.items[0]?.version], [200, version])
  }
  assert.equal(await versionOf(`C/main?minVersion=${version}`), version)
  assert.ok((await readsFrom(patient, 'primary')) > 0)
})
