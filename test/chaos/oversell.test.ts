import assert from 'node:assert/strict'
import { mkdtemp, realpath } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { removeServicesData, type Services, startServices } from '../../local/services/start.ts'
import { migrate } from '../../shared/data/migrate.ts'
import { type Crowd, startCrowd } from './oversell-clients.ts'
import { type Instances, startInstances } from './oversell-processes.ts'
import { disagreements, isShort, soldByAnswers, untrue } from './oversell-proof.ts'

const database = 'tidemark_inventory'
const clients = 200
/** Answers between two kills: so often everything works again before the next. */
const between = 200

let dataDir: string
let services: Services
let instances: Instances
let admin: postgres.Sql
const said: string[] = []

// A signal alone would not run the handlers that end what this test has started.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(1))

before(async () => {
  dataDir = await realpath(await mkdtemp(join(tmpdir(), 'tidemark-oversell-')))
  // Its own: it is killed.
  services = await startServices({ dataDir, only: ['postgres'], ports: 'free', say: line => said.push(line) })
  admin = postgres(`${services.urls.postgres}/postgres`, { max: 1, connect_timeout: 3, onnotice: () => {} })
  await admin.unsafe(`create database ${database}`)
  const url = `${services.urls.postgres}/${database}`
  await migrate({ url, database: 'inventory' })
  instances = await startInstances(2, url)
})

after(async () => {
  await instances?.stop()
  await admin?.end({ timeout: 1 })
  await services?.stop()
  if (dataDir) await removeServicesData(dataDir)
})

/** Waits long: the machine may be busy with other things, and a database that is killed recovers first. */
async function wait(what: string, isSo: () => boolean): Promise<void> {
  for (const end = Date.now() + 60_000; !isSo(); await sleep(20)) {
    if (Date.now() > end) assert.fail(`not within a minute: ${what}\n${said.slice(-5).join('\n')}`)
  }
}

const answersMore = (crowd: Crowd): Promise<void> => {
  const enough = crowd.counts.answered + between
  return wait(`another ${between} answers after ${crowd.counts.answered}`, () => crowd.counts.answered >= enough)
}

const disturbed = ({ counts }: Crowd): number => counts.cutOff + counts.unavailable

/** @returns how many connections were cut */
async function cutConnections(): Promise<number> {
  const cut = await admin`
    select pg_terminate_backend(pid) from pg_stat_activity where datname = ${database} and application_name = 'inventory'`
  return cut.length
}

async function killDatabase(): Promise<void> {
  const pid = services.pid('postgres')
  assert.ok(pid)
  process.kill(pid, 'SIGKILL')
  const isBack = () => ![undefined, pid].includes(services.pid('postgres'))
  await wait('the database runs again', isBack)
}

test('200 clients after few units are told the truth although instances, connections and the database are killed under them', {
  timeout: 240_000,
}, async t => {
  const began = Date.now()
  const crowd = await startCrowd(clients, instances.urls)
  let cut = 0
  const kills: Record<string, () => Promise<unknown>> = {
    'the first instance': () => instances.replace(0),
    'all connections': async () => {
      const was = disturbed(crowd)
      // Between two transactions nobody notices: again until somebody does.
      for (let times = 0; times < 20 && disturbed(crowd) === was; times++) {
        cut += await cutConnections()
        await sleep(100)
      }
    },
    'the database': killDatabase,
    'the second instance': () => instances.replace(1),
    'all connections again': async () => kills['all connections']?.(),
    'the database again': killDatabase,
  }
  const took: string[] = []
  for (const [what, kill] of Object.entries(kills)) {
    const answeredFrom = Date.now()
    await answersMore(crowd)
    const was = disturbed(crowd)
    assert.ok(crowd.inFlight() > 0, `nobody was waiting when ${what} was killed`)
    const killedAt = Date.now()
    await kill()
    await wait(`somebody notices that ${what} was killed`, () => disturbed(crowd) > was)
    took.push(`${between} answers ${killedAt - answeredFrom} ms, ${what} ${Date.now() - killedAt} ms`)
  }
  await answersMore(crowd)
  await crowd.leave()
  const { asks, counts } = crowd
  assert.deepEqual(
    asks.filter(({ code }) => code !== undefined && code !== 'insufficient_stock').slice(0, 10),
    [],
    'refused for another reason',
  )

  const sql = postgres(`${services.urls.postgres}/${database}`, { max: 1, onnotice: () => {} })
  try {
    assert.deepEqual(await untrue(sql), [])
    assert.deepEqual((await disagreements(sql, asks)).slice(0, 10), [])
    const expired = await sql<{ reference: string }[]>`select distinct reference from movement where kind = 'expire'`
    const short = new Set(asks.filter(isShort).map(({ key }) => key))
    assert.deepEqual(
      expired.filter(({ reference }) => !short.has(reference)),
      [],
      'expired before its time',
    )
    t.diagnostic(`${expired.length} short holds gave way`)
  } finally {
    await sql.end({ timeout: 1 })
  }
  for (const { sku, received, sold } of soldByAnswers(asks)) assert.ok(sold <= received, `${sku}: ${sold} of ${received} sold`)
  assert.deepEqual(crowd.contradictions.slice(0, 5), [])
  assert.deepEqual(instances.endedByThemselves(), [])

  const made = asks.filter(ask => ask.made).length
  const refused = asks.filter(ask => ask.code === 'insufficient_stock').length
  t.diagnostic(`${made} reservations made and ${refused} refused in ${((Date.now() - began) / 1_000).toFixed(1)} s`)
  t.diagnostic(took.join('; '))
  t.diagnostic(JSON.stringify({ ...counts, cutConnections: cut }))
  assert.ok(made >= 300, `${made} reservations`)
  assert.ok(refused >= 100, `${refused} refusals`)
  assert.ok(counts.atOnce >= 100 && counts.again >= 100, JSON.stringify(counts))
  assert.ok(counts.cutOff > 0 && counts.unavailable > 0, JSON.stringify(counts))
  assert.ok(cut > 0, 'no connection was cut')
  assert.equal(said.filter(line => /postgres: running again/.test(line)).length, 2, said.join('\n'))
})
