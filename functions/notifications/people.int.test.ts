import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import postgres from 'postgres'
import { sealWith } from '../../shared/security/seal.ts'
import { type ClonedDatabase, cloneDatabase, type RequestOptions, type Started, startFunction } from '../../test/environment.ts'
import { readSecrets } from './channels/webhook-signature.ts'
import { managePeople } from './people.ts'

interface Recipient {
  id: string
  name: string
  version: number
  locale: string
  contacts: { id: string; channel: string; address: string; secret?: string | null }[]
  preferences: object[]
}
interface Problem {
  code: string
  detail: string
  errors?: { field: string; message: string }[]
}

const keys = `a:${randomBytes(32).toString('base64url')}`
const seal = sealWith(() => keys)
let cloned: ClonedDatabase
let sql: postgres.Sql
let people: Started
before(async () => {
  cloned = await cloneDatabase('notifications')
  sql = postgres(cloned.url, { max: 1 })
  people = await startFunction(managePeople, { NOTIFICATIONS_DATABASE_URL: cloned.url, SEALING_KEYS: keys })
})
after(async () => {
  await Promise.all([people.stop(), sql.end()])
  await cloned.drop()
})

const ask = <T = Recipient>(route: string, body?: unknown, options: RequestOptions = {}) =>
  people.request<T>(route, { ...(body !== undefined && { body }), ...options })
const ifMatch = (version: number) => ({ headers: { 'if-match': `"${version}"` } })
const berta = {
  name: 'Berta Keller',
  timeZone: 'Europe/Zurich',
  locale: 'de-ch',
  roles: ['buyer'],
  quietHours: { from: '22:00', to: '07:00' },
}
const add = async (more: object = {}) => (await ask('POST /v1/recipients', { ...berta, ...more })).body

test('a recipient is added once for a key, sealed at rest, and read with its version', async () => {
  const key = randomUUID()
  const first = await ask('POST /v1/recipients', berta, { key })
  const again = await ask('POST /v1/recipients', berta, { key })
  assert.deepEqual([first.status, again.status, again.body.id], [201, 201, first.body.id])
  assert.equal(first.body.locale, 'de-CH')
  const read = await ask(`GET /v1/recipients/${first.body.id}`)
  assert.deepEqual([read.headers.get('etag'), read.body.name], ['"1"', 'Berta Keller'])
  const rows = await sql`select * from recipient`
  const kept = await sql`select * from idempotency`
  assert.equal(JSON.stringify([rows, kept]).includes('Keller'), false)
})

test('what does not fit is refused by the name of its field', async () => {
  const refused = async (body: object) => (await ask<Problem>('POST /v1/recipients', body)).body.errors?.[0]?.field
  assert.equal(await refused({ ...berta, timeZone: '+02:00' }), 'timeZone')
  assert.equal(await refused({ ...berta, locale: 'x_y!' }), 'locale')
  assert.equal(await refused({ ...berta, quietHours: { from: '25:00', to: '07:00' } }), 'quietHours.from')
  assert.equal(await refused({ ...berta, quietHours: { from: '07:00', to: '07:00' } }), 'quietHours')
  assert.equal(await refused({ ...berta, roles: ['Big Boss'] }), 'roles[0]')
})

test('a change needs the version that was read', async () => {
  const { id } = await add()
  assert.equal((await ask(`PUT /v1/recipients/${id}`, berta)).status, 428)
  assert.equal((await ask(`PUT /v1/recipients/${id}`, { ...berta, name: 'Berta K.' }, ifMatch(1))).body.name, 'Berta K.')
  const stale = await ask<Problem & { version: number }>(`PUT /v1/recipients/${id}`, berta, ifMatch(1))
  assert.deepEqual([stale.status, stale.body.version], [412, 2])
  assert.equal((await ask(`PUT /v1/recipients/${randomUUID()}`, berta, ifMatch(1))).status, 404)
})

test('recipients are listed page by page, by role and by group', async () => {
  const role = `role-${randomUUID().slice(0, 8)}`
  const ids = [await add({ roles: [role] }), await add({ roles: [role] }), await add({ roles: [role] })].map(({ id }) => id)
  const first = await ask<{ items: Recipient[]; next: string }>(`GET /v1/recipients?role=${role}&limit=2`)
  const second = await ask<{ items: Recipient[]; next: null }>(
    `GET /v1/recipients?role=${role}&limit=2&cursor=${first.body.next}`,
  )
  assert.deepEqual(
    [...first.body.items, ...second.body.items].map(({ id }) => id),
    ids.toReversed(),
  )
  assert.equal(second.body.next, null)
})

test('contacts are checked for their channel, kept once, sealed and masked', async () => {
  const { id } = await add()
  const route = `POST /v1/recipients/${id}/contacts`
  const wrong = async (channel: string, address: string) => {
    const { status, body } = await ask<Problem>(route, { channel, address })
    return [status, body.errors?.[0]?.field]
  }
  for (const [channel, address] of [
    ['email', 'berta'],
    ['sms', '079 123 45 67'],
    ['pagerduty', 'short'],
    ['webhook', 'ftp://example.com'],
    ['webhook', 'http://example.com'],
    ['webhook', 'https://user:pass@example.com'],
    ['webhook', 'https://169.254.169.254/latest'],
  ] as const) {
    assert.deepEqual(await wrong(channel, address), [422, 'address'], address)
  }
  assert.deepEqual(await wrong('push', 'token'), [422, 'channel'])
  const mail = await ask(route, { channel: 'email', address: 'berta@Example.com' })
  const same = await ask(route, { channel: 'email', address: 'berta@example.com' })
  assert.deepEqual([mail.status, same.status, same.body.id], [201, 200, mail.body.id])
  await ask(route, { channel: 'sms', address: '+41791234567' })
  const { body } = await ask(`GET /v1/recipients/${id}`)
  assert.deepEqual(
    body.contacts.map(({ address }) => address),
    ['b•••@example.com', '+41•••67'],
  )
  const rows = JSON.stringify(await sql`select * from contact`)
  assert.equal(rows.includes('berta@') || rows.includes('791234567'), false)
  assert.equal((await ask(route.replace(id, randomUUID()), { channel: 'sms', address: '+41791234567' })).status, 404)
})

test("a webhook's secret is shown once, and rotates with an overlap", async () => {
  const { id } = await add()
  const route = `POST /v1/recipients/${id}/contacts`
  const hook = { channel: 'webhook', address: 'https://example.com/hook?token=1' }
  const { body: made } = await ask<{ id: string; secret: string; address: string }>(route, hook)
  assert.match(made.secret, /^whsec_/)
  assert.equal(made.address, 'https://example.com/•••')
  assert.equal((await ask<{ secret: null }>(route, hook)).body.secret, null)
  const { body: rotated } = await ask<{ secret: string }>(`${route}/${made.id}/rotate-secret`, {})
  const [row] = await sql<{ secrets: string }[]>`select secrets from contact where id = ${made.id}`
  assert.equal(row?.secrets.includes('whsec'), false)
  const kept = readSecrets(await seal.open(row?.secrets ?? ''))
  assert.deepEqual(
    kept.map(({ secret }) => secret),
    [rotated.secret, made.secret],
  )
  assert.equal((await ask(`${route}/${randomUUID()}/rotate-secret`, {})).status, 404)
})

test('a contact that bounced is used again when somebody says so, and is removed when somebody says so', async () => {
  const { id } = await add()
  const { body } = await ask(`POST /v1/recipients/${id}/contacts`, { channel: 'email', address: 'b@example.com' })
  await sql`update contact set disabled_at = now(), disabled_reason = 'hard bounce' where id = ${body.id}`
  assert.equal((await ask(`POST /v1/recipients/${id}/contacts/${body.id}/enable`, {})).status, 200)
  assert.deepEqual([...(await sql`select disabled_at from contact where id = ${body.id}`)], [{ disabled_at: null }])
  assert.equal((await ask(`DELETE /v1/recipients/${id}/contacts/${body.id}`)).status, 200)
  assert.equal((await ask(`DELETE /v1/recipients/${id}/contacts/${body.id}`)).status, 404)
})

test('preferences are set all at once', async () => {
  const { id } = await add()
  const route = `PUT /v1/recipients/${id}/preferences`
  const digest = { channel: 'email', digestAt: '08:00' }
  const set = await ask(route, { preferences: [digest, { channel: 'sms', optedOut: true }] }, ifMatch(1))
  assert.deepEqual(set.body.preferences, [
    { ...digest, minimumSeverity: 'low', optedOut: false },
    { channel: 'sms', minimumSeverity: 'low', digestAt: null, optedOut: true },
  ])
  assert.equal((await ask(route, { preferences: [digest, digest] }, ifMatch(2))).status, 422)
  assert.equal((await ask(route, { preferences: [] }, ifMatch(1))).status, 412)
})

test('a group has the members that it was given, all of them known', async () => {
  const [one, other] = [(await add()).id, (await add()).id]
  const name = `night-${randomUUID().slice(0, 8)}`
  const route = `PUT /v1/recipient-groups/${name}`
  const unknown = await ask<Problem>(route, { members: [one, randomUUID()] }, ifMatch(0))
  assert.equal(unknown.body.errors?.[0]?.field, 'members[1]')
  const made = await ask<{ members: string[] }>(route, { members: [one, other] }, ifMatch(0))
  assert.deepEqual([made.status, made.body.members], [200, [one, other].sort()])
  assert.equal((await ask(route, { members: [] }, ifMatch(0))).status, 412)
  assert.deepEqual((await ask<{ members: string[] }>(route, { members: [one] }, ifMatch(1))).body.members, [one])
  const listed = await ask<{ items: Recipient[] }>(`GET /v1/recipients?group=${name}`)
  assert.deepEqual(
    listed.body.items.map(({ id }) => id),
    [one],
  )
  assert.equal((await ask(`DELETE /v1/recipient-groups/${name}`, undefined, ifMatch(2))).status, 200)
  assert.equal((await ask(`GET /v1/recipient-groups/${name}`)).status, 404)
})

test('who may only read may not write', async () => {
  assert.equal((await ask('POST /v1/recipients', berta, { scopes: ['recipients:read'] })).status, 403)
  assert.equal((await ask('GET /v1/recipients', undefined, { scopes: ['recipients:read'] })).status, 200)
  assert.equal((await ask('GET /v1/recipients', undefined, { scopes: ['notifications:read'] })).status, 403)
})

test('a recipient that is forgotten is gone with all that reaches it, and what waits for it is cancelled', async () => {
  const { id } = await add()
  await ask(`POST /v1/recipients/${id}/contacts`, { channel: 'email', address: 'b@example.com' })
  const notification = randomUUID()
  await sql`
    insert into notification (id, dedup_key, channel, recipient, recipient_id, subject, state, traceparent, created_at, updated_at)
    values (${notification}, ${notification}, 'email', ${await seal.seal('b@example.com')}, ${id}, 'x', 'queued', '', now(), now())`
  assert.equal((await ask(`DELETE /v1/recipients/${id}`, undefined, ifMatch(7))).status, 412)
  assert.equal((await ask(`DELETE /v1/recipients/${id}`, undefined, ifMatch(1))).status, 200)
  assert.equal((await ask(`GET /v1/recipients/${id}`)).status, 404)
  assert.equal((await sql`select 1 from contact where recipient_id = ${id}`).length, 0)
  const [row] = await sql`select state from notification where id = ${notification}`
  assert.equal(row?.state, 'cancelled')
})
