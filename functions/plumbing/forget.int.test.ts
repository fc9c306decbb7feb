import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import postgres from 'postgres'
import { databases } from '../../shared/function/resources.ts'
import { type ClonedDatabase, cloneDatabase, type Started, startFunction } from '../../test/environment.ts'
import { forget } from './forget.ts'

let cloned: ClonedDatabase[]
let sql: postgres.Sql
let forgetting: Started
before(async () => {
  cloned = await Promise.all(databases.map(name => cloneDatabase(name)))
  const urls = Object.fromEntries(databases.map((name, n) => [`${name.toUpperCase()}_DATABASE_URL`, cloned[n]?.url as string]))
  sql = postgres(urls.NOTIFICATIONS_DATABASE_URL as string, { max: 1 })
  forgetting = await startFunction(forget, urls)
})
after(async () => {
  await Promise.all([forgetting.stop(), sql.end()])
  await Promise.all(cloned.map(one => one.drop()))
})

test('what a forgotten recipient was told keeps who, what and when for the auditor, and neither address nor words', async () => {
  const [gone, other] = [randomUUID(), randomUUID()]
  const insert = (recipient: string, state: string) => sql`
    insert into notification (id, dedup_key, channel, recipient, recipient_id, subject, body, html, state, traceparent, created_at, updated_at)
    values (${randomUUID()}, ${randomUUID()}, 'email', 'sealed address', ${recipient}, 'Dear Berta', 'body', 'html', ${state}, '', now(), now())`
  await insert(gone, 'delivered')
  await insert(gone, 'sending')
  await insert(other, 'delivered')
  await sql`
    insert into recipient_forgotten (id, replacement, forgotten_at, forgotten_by) values (${gone}, 'sealed nothing', now(), 'test')`
  const shown = () => sql`
    select recipient, subject, body, html, state from notification where recipient_id = ${gone} order by state`
  const erased = { recipient: 'sealed nothing', subject: '', body: null, html: null }
  const left = { recipient: 'sealed address', subject: 'Dear Berta', body: 'body', html: 'html' }
  const done = async () => (await sql`select 1 from recipient_forgotten where erased_at is not null`).length === 1

  assert.equal(await forgetting.tick(), 204)
  assert.deepEqual(
    [...(await shown())],
    [
      { ...erased, state: 'delivered' },
      { ...left, state: 'sending' },
    ],
  )
  assert.equal(await done(), false, 'one is on its way at this moment')
  await sql`update notification set state = 'sent' where state = 'sending'`
  assert.equal(await forgetting.tick(), 204)
  assert.deepEqual(
    [...(await shown())],
    [
      { ...erased, state: 'delivered' },
      { ...erased, state: 'sent' },
    ],
  )
  assert.equal(await done(), true)
  const [kept] = await sql`select subject from notification where recipient_id = ${other}`
  assert.equal(kept?.subject, 'Dear Berta')
})

test('what planning kept of alerts that ended long ago goes, and what stands stays', async () => {
  const insert = (resolved: string | null) => sql`
    insert into standing (alert_id, telling, sku, location, severity, available, threshold, rule, resolved_at)
    values (${randomUUID()}, 1, 'A', 'main', 'low', 1, 2, 'absolute', ${resolved})`
  await insert('2020-01-01')
  await insert(new Date().toISOString())
  await insert(null)
  await sql`
    insert into notification_group (id, key, lane, flushed_at) values (${randomUUID()}, 'old', 'normal', '2020-01-01'), (${randomUUID()}, 'new', 'normal', now())`
  assert.equal(await forgetting.tick(), 204)
  assert.equal((await sql`select 1 from standing`).length, 2)
  assert.deepEqual(
    (await sql`select key from notification_group`).map(({ key }) => key),
    ['new'],
  )
})
