import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startInBackground, stopInBackground } from './background.ts'
import { probePostgres } from './postgres.ts'
import { probeRedis } from './redis.ts'
import { type ServiceUrls, serviceNames } from './service.ts'
import { removeServicesData } from './start.ts'

// Linux answers at every address of 127.0.0.0/8; others at the first alone, which asks for no password of Redis.
const elsewhere = process.platform === 'linux' ? '127.0.0.2' : '127.0.0.1'
let dataDir: string
let urls: ServiceUrls
const start = () => startInBackground({ dataDir, host: elsewhere, ports: 'free' })

before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tidemark-background-'))
  urls = await start()
})
after(async () => {
  await stopInBackground(dataDir)
  await removeServicesData(dataDir)
})

test('services in the background are at the address that was asked for, and a second start finds them', async () => {
  for (const name of serviceNames) assert.ok(urls[name].includes(elsewhere), urls[name])
  assert.deepEqual(await start(), urls)
})

test('beyond the loopback nobody gets in without the password', { skip: process.platform !== 'linux' }, async () => {
  const without = (url: string) => url.replace(/:[0-9a-f]{48}@/, ':guess@')
  await assert.rejects(probePostgres(without(urls.postgres)), /password authentication failed/)
  await assert.rejects(probeRedis(without(urls.redis)), /WRONGPASS|NOAUTH/)
})

test('they stop when they are told to, and keep their passwords for the next start', async () => {
  await stopInBackground(dataDir)
  await assert.rejects(probeRedis(urls.redis), /ECONNREFUSED/)
  await stopInBackground(dataDir)
  const again = await start()
  assert.equal(new URL(again.redis).password, new URL(urls.redis).password)
  assert.equal(new URL(again.postgres).password, new URL(urls.postgres).password)
})
