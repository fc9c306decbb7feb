import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { planningStage } from './planning-stage.ts'

let stage: Awaited<ReturnType<typeof planningStage>>
before(async () => {
  stage = await planningStage()
})
after(() => stage.stop())
beforeEach(() => stage.reset())

const queued = 'tidemark.notification.queued.v1'

/** Events of the messages about a SKU, of each. */
const announced = async (sku: string) =>
  (await stage.messages()).filter(({ skus }) => skus.includes(sku)).map(({ events }) => events)

/** A message whose event was lost long ago, and an alert that has waited long enough to be told. */
async function somethingIsDue(): Promise<void> {
  const berta = await stage.person(['email'])
  await stage.route([{ recipient: berta }], { groupBy: ['sku'], wait: 60 })
  await stage.raise(stage.raised({ sku: 'LOST' }))
  await stage.later()
  await stage.sql`update notification set created_at = now() - interval '1 hour', queued_at = now() - interval '1 hour'`
  await stage.sql`delete from outbox`
  await stage.raise(stage.raised({ sku: 'WAITING' }))
  await stage.sql`update notification_group set flush_at = now() where flush_at is not null`
  assert.deepEqual([await announced('LOST'), await announced('WAITING')], [[[]], []])
}

/** Lets every change of a table fail until it is undone. */
async function refuse(table: 'notification' | 'notification_group') {
  await stage.sql.unsafe(`
    create or replace function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$;
    create trigger refuse before update on ${table} for each row execute function refuse();`)
  return () => stage.sql.unsafe(`drop trigger refuse on ${table}`)
}

test('where nothing can be announced again what has waited is told all the same, and the round has failed', async () => {
  await somethingIsDue()
  const allow = await refuse('notification')
  assert.equal(await stage.due.tick(), 500)
  assert.deepEqual([await announced('LOST'), await announced('WAITING')], [[[]], [[queued]]])
  await allow()
  for (let count = 0; count < 2; count++) assert.equal(await stage.due.tick(), 204)
  assert.deepEqual([await announced('LOST'), await announced('WAITING')], [[[queued]], [[queued]]], 'each once')
})

test('where nobody can be told what was lost is announced again all the same, and the round has failed', async () => {
  await somethingIsDue()
  const allow = await refuse('notification_group')
  assert.equal(await stage.due.tick(), 500)
  assert.deepEqual([await announced('LOST'), await announced('WAITING')], [[[queued]], []])
  await allow()
  for (let count = 0; count < 2; count++) assert.equal(await stage.due.tick(), 204)
  assert.deepEqual([await announced('LOST'), await announced('WAITING')], [[[queued]], [[queued]]], 'each once')
})

test('messages of a night are announced once when quiet hours are over: they were late on purpose, not lost', async () => {
  const at = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString().slice(11, 16)
  const berta = await stage.person(['email'], { quiet: [at(-8), at(1)] })
  await stage.route([{ recipient: berta }], { groupBy: ['sku'] })
  for (const sku of ['A', 'B', 'C']) await stage.raise(stage.raised({ sku }))
  const events = async () => (await stage.messages()).map(message => message.events)
  assert.deepEqual(await events(), [[], [], []])
  await stage.sql`
    update notification set created_at = now() - interval '8 hours', queued_at = now() - interval '8 hours',
      next_attempt_at = now() - interval '1 second'`
  await stage.sql`update notification_group set flush_at = now()`
  const allow = await refuse('notification_group')
  assert.equal(await stage.due.tick(), 500)
  assert.deepEqual(await events(), [[], [], []], 'whoever announces again does not let them go')
  await allow()
  for (let count = 0; count < 3; count++) assert.equal(await stage.due.tick(), 204)
  assert.deepEqual(await events(), [[queued], [queued], [queued]])
})
