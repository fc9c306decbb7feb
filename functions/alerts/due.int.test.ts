import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ownDatabase } from '../../test/own-database.ts'
import { alertsDue } from './due.ts'
import { escalationPolicies } from './escalation-policies.ts'
import { evaluateAlerts } from './evaluate.ts'
import { respondToAlerts } from './respond.ts'
import { setThresholds } from './set-thresholds.ts'

const { sql, start } = await ownDatabase('alerts')
const [due, evaluation, thresholds, policies, responding] = await Promise.all([
  start(alertsDue),
  start(evaluateAlerts),
  start(setThresholds),
  start(escalationPolicies),
  start(respondToAlerts),
])

/** Three alerts, each of which another part of the round has to do something about: as the history calls it. */
const parts = { 'SNOOZED%': 'woken', 'IGNORED%': 'escalated', 'LASTING%': 'raised' }

async function everythingIsDue(round: number): Promise<void> {
  const [snoozed, ignored, lasting] = Object.keys(parts).map(sku => sku.replace('%', `-${round}`)) as [string, string, string]
  const rules = [{ sku: snoozed }, { sku: ignored }, { sku: lasting, forSeconds: 3_600 }]
  await thresholds.request('PUT /v1/thresholds/bulk', { body: { thresholds: rules.map(rule => ({ ...rule, level: 10 })) } })
  const steps = [{ afterMinutes: 15, targets: ['role:buyer'] }]
  await policies.request('POST /v1/escalation-policies', { body: { name: ignored, matchers: { sku: [ignored] }, steps } })
  for (const sku of [snoozed, ignored, lasting]) {
    const data = { sku, location: 'main', onHand: 8, reserved: 0, available: 8, kind: 'reserve', reference: null, version: 1 }
    assert.equal(await evaluation.deliver('tidemark.stock.changed.v1', data), 204)
  }
  const [alert] = await sql<{ id: string }[]>`select id from alert where sku = ${snoozed}`
  await responding.request(`POST /v1/alerts/${alert?.id}/snooze`, { body: { minutes: 5 } })
  await sql`update alert set snoozed_until = now() where sku = ${snoozed}`
  await sql`update escalation_policy set updated_at = updated_at - interval '1 hour'`
  await sql`update alert_history set at = at - interval '1 hour' where alert_id in (select id from alert where sku = ${ignored})`
  await sql`update breach set since = since - interval '2 hours', due_at = now() where sku = ${lasting}`
}

/** What a round did for each of the three. */
const done = async (round: number) =>
  (
    await sql<{ action: string }[]>`
      select h.action from alert_history h join alert a on a.id = h.alert_id
      where (a.sku = ${`SNOOZED-${round}`} and h.action = 'woken') or (a.sku = ${`IGNORED-${round}`} and h.action = 'escalated')
        or (a.sku = ${`LASTING-${round}`} and h.action = 'raised')
      order by h.action`
  ).map(({ action }) => action)

for (const [round, broken] of Object.values(parts).entries()) {
  test(`where nothing can be ${broken} the rest of the round is done, the round has failed, and the next one does what is left`, async () => {
    const all = Object.values(parts).sort()
    await everythingIsDue(round)
    await sql.unsafe(`
      create or replace function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$;
      create trigger refuse before insert on alert_history for each row when (new.action = '${broken}') execute function refuse();`)
    assert.ok((await due.tick()) >= 500)
    assert.deepEqual(
      await done(round),
      all.filter(action => action !== broken),
    )
    await sql`drop trigger refuse on alert_history`
    for (let count = 0; count < 2; count++) assert.equal(await due.tick(), 204)
    assert.deepEqual(await done(round), all, 'each once')
  })
}

test('a round whose lock does not come is tried again soon, and has done the rest', async () => {
  await everythingIsDue(9)
  const { promise: over, resolve: letGo } = Promise.withResolvers<void>()
  const holding = sql.begin(async tx => {
    await tx`select from stock_seen where sku = 'LASTING-9' for update`
    await over
  })
  assert.equal(await due.tick(), 503)
  assert.deepEqual(await done(9), ['escalated', 'woken'])
  letGo()
  await holding
  assert.equal(await due.tick(), 204)
  assert.deepEqual(await done(9), ['escalated', 'raised', 'woken'])
})
