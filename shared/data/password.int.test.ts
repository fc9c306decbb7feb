import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import postgres from 'postgres'
import { z } from 'zod'
import { type ClonedDatabase, cloneDatabase, type Started, serviceUrls, startFunction, until } from '../../test/environment.ts'
import { http } from '../function/declare.ts'

const whoAmI = http({
  name: 'who-am-i',
  route: 'GET /v1/me',
  summary: 'Who asks the database',
  allow: ['stock:read'],
  uses: ['db:payments'],
  input: z.strictObject({}),
  output: z.object({ role: z.string(), pid: z.number() }),
  async handle({ db }) {
    return db.payments.transaction(async tx => {
      const [row] = await tx<{ role: string; pid: number }[]>`select current_user as role, pg_backend_pid() as pid`
      return row as { role: string; pid: number }
    })
  },
})

const role = `test_${randomBytes(6).toString('hex')}`
const folder = mkdtempSync(join(tmpdir(), 'settings-'))
const sql = postgres(`${serviceUrls().postgres}/postgres`, { max: 1, onnotice: () => {} })
let cloned: ClonedDatabase
let running: Started

/** The Secret's new content, mounted. */
function mount(password: string): void {
  const url = new URL(cloned.url)
  url.username = role
  url.password = password
  writeFileSync(join(folder, '.new'), url.href)
  renameSync(join(folder, '.new'), join(folder, 'PAYMENTS_DATABASE_URL'))
}

before(async () => {
  cloned = await cloneDatabase('payments')
  await sql.unsafe(`create role ${role} login password 'first'`)
  await sql.unsafe(`grant pg_read_all_data to ${role}`)
  mount('first')
  running = await startFunction(whoAmI, { CONFIG_FOLDER: folder, CONFIG_INTERVAL: '20' })
})
after(async () => {
  await running.stop()
  await cloned.drop()
  await sql.unsafe(`drop role ${role}`)
  await sql.end()
  rmSync(folder, { recursive: true })
})

const ask = () => running.request<{ role: string; pid: number; code?: string }>('GET /v1/me')
const closeConnections = () => sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role}`

test("a database's password can be changed under a running function: new connections use the new one", async () => {
  const first = await ask()
  assert.deepEqual([first.status, first.body.role], [200, role])
  assert.equal((await fetch(`${running.url}/health/readiness`)).status, 200)

  await sql.unsafe(`alter role ${role} password 'it''s @ new/one'`)
  assert.equal((await ask()).body.pid, first.body.pid, 'an open connection goes on')
  await closeConnections()
  const between = await until('the connection is lost', ask, ({ status }) => status !== 200)
  assert.deepEqual([between.status, between.body.code], [503, 'unavailable'], 'which passes, and so is no fault of the request')

  mount("it's @ new/one")
  const second = await until('the new password is used', ask, ({ status }) => status === 200)
  assert.notEqual(second.body.pid, first.body.pid)
  assert.equal((await fetch(`${running.url}/health/readiness`)).status, 200)
})
