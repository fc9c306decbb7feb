import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { crc32, deflateRawSync } from 'node:zlib'
import { cached, cacheFolder } from './cache.ts'
import { readJarEntry } from './jar-entry.ts'
import { parseJavaVersion } from './java.ts'
import { kafkaProperties } from './kafka-files.ts'
import { restartDelayMs } from './keep-running.ts'
import { projectFor } from './maven.ts'
import { clusterFolder } from './postgres-files.ts'
import { startOf } from './process-identity.ts'
import { datasource } from './registry.ts'
import { startServices } from './start.ts'

test('the cache is where the environment says, else where the system keeps caches', () => {
  assert.equal(cacheFolder({ TIDEMARK_CACHE: '/a' }), '/a')
  assert.equal(cacheFolder({ XDG_CACHE_HOME: '/b' }), join('/b', 'tidemark'))
  assert.match(cacheFolder({}), /\.cache.tidemark$/)
})

test('two that fetch the same thing at once both get it whole, and nothing half done stays', async () => {
  const cache = await mkdtemp(join(tmpdir(), 'tidemark-cache-'))
  const fetch = () =>
    cached(
      cache,
      'thing',
      () => {},
      target => writeFile(target, 'whole'),
    )
  const [one, other] = await Promise.all([fetch(), fetch()])
  assert.equal(one, other)
  await assert.rejects(
    cached(
      cache,
      'broken',
      () => {},
      () => Promise.reject(new Error('no network')),
    ),
    /no network/,
  )
  assert.deepEqual(await readdir(cache), ['thing'])
  await rm(cache, { recursive: true })
})

test('Java says its version in three ways', () => {
  assert.deepEqual(parseJavaVersion('openjdk version "25.0.2" 2026-01-20 LTS'), { version: '25.0.2', major: 25 })
  assert.deepEqual(parseJavaVersion('java version "1.8.0_372"'), { version: '1.8.0_372', major: 8 })
  assert.equal(parseJavaVersion('No Java runtime present'), undefined)
})

test('a packed file is read out of a jar', () => {
  const content = Buffer.from('a server '.repeat(100))
  assert.deepEqual(readJarEntry(jarOf('bin/server', content), 'bin/server'), content)
  assert.throws(() => readJarEntry(jarOf('bin/server', content), 'other'), /holds no other/)
})

test('a Maven project names its artifacts and leaves out dependencies where told', () => {
  const project = projectFor([{ group: 'g', id: 'i', version: '1', classifier: 'all', type: 'tar.gz', dependencies: false }])
  for (const part of ['<classifier>all</classifier>', '<type>tar.gz</type>', '<exclusion>'])
    assert.ok(project.includes(part), part)
})

test('Kafka makes no topic that nobody asked for', () => {
  const properties = kafkaProperties(1, 2, '/data').split('\n')
  for (const line of ['auto.create.topics.enable=false', 'log.dirs=/data', 'controller.quorum.voters=1@127.0.0.1:2']) {
    assert.ok(properties.includes(line), line)
  }
})

test('Kafka tells its clients the address that they reach it at, and keeps its controller to itself', () => {
  const properties = kafkaProperties(1, 2, '/data', '10.0.0.7').split('\n')
  const listeners = 'listeners=PLAINTEXT://10.0.0.7:1,CONTROLLER://127.0.0.1:2'
  for (const line of [listeners, 'advertised.listeners=PLAINTEXT://10.0.0.7:1']) assert.ok(properties.includes(line), line)
})

test('services refuse an address that no client could connect to', async () => {
  for (const host of ['0.0.0.0', 'localhost', '::1']) {
    await assert.rejects(startServices({ dataDir: '/nowhere', host, say: () => {} }), /not an IPv4 address/)
  }
})

test('the registry gets the same Postgres by JDBC, with a decoded password', () => {
  const env = datasource('postgres://tide%40mark:p%2Fw@db:6000')
  assert.equal(env.APICURIO_DATASOURCE_URL, 'jdbc:postgresql://db:6000/schema_registry')
  assert.deepEqual([env.APICURIO_DATASOURCE_USERNAME, env.APICURIO_DATASOURCE_PASSWORD], ['tide@mark', 'p/w'])
})

test('the cluster of a data folder is found again, outside it only for root', () => {
  assert.equal(clusterFolder('/data', true), clusterFolder('/data', true))
  assert.notEqual(clusterFolder('/data', true), clusterFolder('/other', true))
  assert.equal(clusterFolder('/data', false), join('/data', 'postgres'))
})

test('restarts wait longer each time, 5 s at most', () => {
  assert.deepEqual([0, 1, 5, 9].map(restartDelayMs), [100, 200, 3_200, 5_000])
})

test('a process is known by its start, which stays the same', () => {
  assert.ok(startOf(process.pid))
  assert.equal(startOf(process.pid), startOf(process.pid))
  assert.equal(startOf(2 ** 22 + 1), undefined)
})

function jarOf(name: string, content: Buffer): Buffer {
  const packed = deflateRawSync(content)
  const nameBytes = Buffer.from(name)
  const sizes = Buffer.alloc(16)
  sizes.writeUInt32LE(crc32(content), 0)
  sizes.writeUInt32LE(packed.length, 4)
  sizes.writeUInt32LE(content.length, 8)
  sizes.writeUInt16LE(nameBytes.length, 12)
  const local = Buffer.concat([Buffer.from('504b0304140000000800' + '00000000', 'hex'), sizes, nameBytes, packed])
  const entry = Buffer.concat([Buffer.from('504b01021400140000000800' + '00000000', 'hex'), sizes, Buffer.alloc(14), nameBytes])
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(1, 10)
  end.writeUInt32LE(entry.length, 12)
  end.writeUInt32LE(local.length, 16)
  return Buffer.concat([local, entry, end])
}
