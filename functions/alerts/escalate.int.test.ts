import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import type { RequestOptions } from '../../test/environment.ts'
import { ownDatabase } from '../../test/own-database.ts'
import { alertsDue } from './due.ts'
import { escalationPolicies } from './escalation-policies.ts'
import { evaluateAlerts } from './evaluate.ts'
import { readAlerts } from './read.ts'
import { respondToAlerts } from './respond.ts'
import { setThresholds } from './set-thresholds.ts'
import { silenceAlerts } from './silences.ts'

const { sql, start } = await ownDatabase('alerts')
const [evaluation, thresholds, policies, due, responding, reading, silencing] = await Promise.all([
  start(evaluateAlerts),
  start(setThresholds),
  start(escalationPolicies),
  start(alertsDue, { DATABASE_POOL: '4' }),
  start(respondToAlerts),
  start(readAlerts),
  start(silenceAlerts),
])

let sku: string
let number = 0
const versions = new Map<string, number>()
beforeEach(async () => {
  sku = `SKU-${++number}`
  await sql`delete from escalation_policy`
  await sql`update silence set ends_at = now(), starts_at = least(starts_at, now())`
  await watch(sku)
})
const watch = (...skus: string[]) =>
  thresholds.request('PUT /v1/thresholds', { body: { thresholds: skus.map(one => ({ sku: one, level: 10, resolveAbove: 12 })) } })

async function see(available: number, of = sku): Promise<void> {
  const version = (versions.get(of) ?? 0) + 1
  versions.set(of, version)
  const data = { sku: of, location: 'main', onHand: available, reserved: 0, available, kind: 'reserve', reference: null, version }
  assert.equal(await evaluation.deliver('tidemark.stock.changed.v1', data), 204)
}

interface Policy {
  id: string
  code: string
  name: string
  version: number
  steps: { afterMinutes: number; targets: string[]; channels: string[] }[]
  history: { action: string; actor: string }[]
  errors: { field: string }[]
  items: Policy[]
  next: string | null
}
const steps = [
  { afterMinutes: 15, targets: ['role:buyer'] },
  { afterMinutes: 30, targets: ['group:managers'], channels: ['sms'] },
]
const ask = (route: string, body?: object, options: RequestOptions = {}) =>
  policies.request<Policy>(route, { ...(body && { body }), ...options })
const make = async (body: object = {}) => {
  const given = { name: sku, matchers: { sku: [`${sku}*`] }, steps, ...body }
  const { status, body: made } = await ask('POST /v1/escalation-policies', given)
  assert.equal(status, 201, JSON.stringify(made))
  return made
}
const ifMatch = (version: number) => ({ headers: { 'if-match': `"${version}"` } })

/** Lets everything that is remembered of the SKU's alerts, and its policies, have happened earlier. */
async function minutesPass(minutes: number): Promise<void> {
  const earlier = sql`make_interval(mins => ${minutes}::int)`
  const ours = sql`select id from alert where sku like ${`${sku}%`}`
  await sql`update alert_history set at = at - ${earlier} where alert_id in (${ours})`
  await sql`update escalation set started_at = started_at - ${earlier}, last_at = last_at - ${earlier} where alert_id in (${ours})`
  await sql`update escalation_policy set updated_at = updated_at - ${earlier}`
  await sql`update alert set escalate_at = escalate_at - ${earlier} where sku like ${`${sku}%`} and isfinite(escalate_at)`
}
const tickAfter = async (minutes: number) => {
  await minutesPass(minutes)
  assert.equal(await due.tick(), 204)
}
/** Who was told: step, and targets. */
const escalated = async (of = sku) =>
  (
    await sql<{ step: number; targets: string[] }[]>`
      select (data::jsonb -> 'step')::int as step, data::jsonb -> 'targets' as targets from outbox
      where type = 'tidemark.alert.escalated.v1' and data::jsonb ->> 'sku' = ${of} order by id`
  ).map(({ step, targets }) => [step, ...targets])
const newest = async () => {
  const { body } = await reading.request<{ items: { id: string }[] }>(`GET /v1/alerts?sku=${sku}&limit=1`)
  const id = body.items[0]?.id ?? ''
  const alert = await reading.request<{ id: string; history: { action: string; detail: object | null }[] }>(
    `GET /v1/alerts/${id}`,
  )
  return alert.body
}
const respond = async (action: string, body: object = {}) =>
  assert.equal((await responding.request(`POST /v1/alerts/${(await newest()).id}/${action}`, { body })).status, 200)

test('while nobody acknowledges an alert, each step of its policy is told once when its time has come, and all again as often as it says', async () => {
  const policy = await make({ repeat: 1 })
  await see(8)
  await tickAfter(0)
  await tickAfter(14)
  assert.deepEqual(await escalated(), [])
  for (const minutes of [1, 0, 29, 1, 0, 15, 30, 60, 600]) await tickAfter(minutes)
  assert.deepEqual(await escalated(), [
    [1, 'role:buyer'],
    [2, 'group:managers'],
    [3, 'role:buyer'],
    [4, 'group:managers'],
  ])
  const { history } = await newest()
  assert.deepEqual(history[2], {
    ...history[2],
    action: 'escalated',
    detail: { step: 2, policy: sku, policyId: policy.id, targets: ['group:managers'], channels: ['sms'] },
  })
})

for (const [what, stop] of Object.entries({
  acknowledged: () => respond('acknowledge'),
  'put off': () => respond('snooze', { minutes: 600 }),
  resolved: () => respond('resolve'),
  recovered: () => see(20),
  silenced: () =>
    silencing.request('POST /v1/silences', { body: { matchers: { sku: [sku] }, minutes: 60, comment: 'x' } }).then(() => {}),
})) {
  test(`an alert that is ${what} is not escalated any more`, async () => {
    await make()
    await see(8)
    await tickAfter(15)
    await stop()
    await tickAfter(60)
    assert.deepEqual(await escalated(), [[1, 'role:buyer']])
  })
}

test('a silence that has not reached the alert yet stops its escalation all the same', async () => {
  await make()
  await see(8)
  await sql`insert into silence (id, skus, starts_at, ends_at, comment, created_by, created_at)
    values (gen_random_uuid(), array[${sku}], now() - interval '1 minute', now() + interval '1 hour', 'x', 'x', now())`
  await tickAfter(60)
  assert.deepEqual([await escalated(), (await newest()).history.at(-1)?.action], [[], 'muted'])
})

test('worse begins the policy anew, also after somebody acknowledged what was less, and its steps count on', async () => {
  await make()
  await see(8)
  await tickAfter(15)
  await respond('acknowledge')
  await see(0)
  await tickAfter(14)
  assert.deepEqual(await escalated(), [[1, 'role:buyer']])
  for (const minutes of [1, 30, 600]) await tickAfter(minutes)
  assert.deepEqual(await escalated(), [
    [1, 'role:buyer'],
    [2, 'role:buyer'],
    [3, 'group:managers'],
  ])
})

test('a snooze or a silence that is over begins the policy anew', async () => {
  await make()
  await see(8)
  await respond('snooze', { minutes: 5 })
  await tickAfter(60)
  await sql`update alert set snoozed_until = now() where sku = ${sku}`
  await tickAfter(60)
  assert.deepEqual(await escalated(), [])
  await tickAfter(14)
  await tickAfter(1)
  assert.deepEqual(await escalated(), [[1, 'role:buyer']])
})

test('of the policies that match an alert the one of the lowest priority is its own', async () => {
  await make({ name: `${sku} all`, steps: [{ afterMinutes: 5, targets: ['role:all'] }] })
  await make({ name: `${sku} first`, priority: 10, matchers: { sku: [sku], severity: ['out_of_stock'] } })
  await see(8)
  await tickAfter(5)
  await see(0)
  await tickAfter(15)
  assert.deepEqual(await escalated(), [
    [1, 'role:all'],
    [2, 'role:buyer'],
  ])
})

test('a policy that is made while an alert stands begins with itself; one that is deleted stops', async () => {
  await see(8)
  await tickAfter(600)
  const policy = await make()
  await tickAfter(0)
  assert.deepEqual(await escalated(), [])
  await tickAfter(15)
  assert.equal((await ask(`DELETE /v1/escalation-policies/${policy.id}`, undefined, ifMatch(1))).status, 200)
  await tickAfter(600)
  assert.deepEqual(await escalated(), [[1, 'role:buyer']])
})

test('a policy that is changed goes on from the step that it has reached', async () => {
  const { id } = await make()
  await see(8)
  await tickAfter(15)
  const longer = [...steps, { afterMinutes: 5, targets: ['role:director'] }]
  const body = { name: sku, matchers: { sku: [sku] }, steps: longer }
  assert.equal((await ask(`PUT /v1/escalation-policies/${id}`, body, ifMatch(1))).status, 200)
  for (const minutes of [30, 5, 60]) await tickAfter(minutes)
  assert.deepEqual(await escalated(), [
    [1, 'role:buyer'],
    [2, 'group:managers'],
    [3, 'role:director'],
  ])
})

test('rounds at the same time, after one that died in between, tell each step once', async () => {
  const skus = Array.from({ length: 450 }, (_, item) => `${sku}-${item}`)
  await watch(...skus)
  await make()
  await Promise.all(skus.map(one => see(5, one)))
  await minutesPass(15)
  await sql.unsafe(`
    create sequence failures;
    create function fail_once() returns trigger language plpgsql as $$ begin
      if new.type = 'tidemark.alert.escalated.v1' and nextval('failures') = 300 then raise exception 'killed'; end if;
      return new;
    end $$;
    create trigger fail_once before insert on outbox for each row execute function fail_once();`)
  assert.ok((await due.tick()) >= 500)
  await sql`drop trigger fail_once on outbox`
  await Promise.all([due.tick(), due.tick(), due.tick()])
  await due.tick()
  const counts = async () => {
    const [row] = await sql<{ events: number; alerts: number; steps: number }[]>`
      select count(*)::int as events, count(distinct data::jsonb ->> 'alertId')::int as alerts,
        (select count(*)::int from alert_history where action = 'escalated' and alert_id in (select id from alert where sku like ${`${sku}-%`})) as steps
      from outbox where type = 'tidemark.alert.escalated.v1' and data::jsonb ->> 'sku' like ${`${sku}-%`}`
    return { ...row }
  }
  assert.deepEqual(await counts(), { events: 450, alerts: 450, steps: 450 })
  await minutesPass(30)
  await Promise.all([due.tick(), due.tick()])
  await due.tick()
  assert.deepEqual(await counts(), { events: 900, alerts: 450, steps: 900 })
})

test('a policy is read with who changed it, listed in the order in which policies are tried, and changed only as it was read', async () => {
  const second = await make({ name: 'second' })
  const first = await make({ name: 'first', priority: 1 })
  assert.deepEqual(second.steps[0], { afterMinutes: 15, targets: ['role:buyer'], channels: [] })
  const page = await ask('GET /v1/escalation-policies?limit=1')
  const rest = await ask(`GET /v1/escalation-policies?limit=1&cursor=${page.body.next}`)
  assert.deepEqual(
    [...page.body.items, ...rest.body.items].map(({ id }) => id),
    [first.id, second.id],
  )
  const change = (version: number) => ask(`PUT /v1/escalation-policies/${first.id}`, { name: 'renamed', steps }, ifMatch(version))
  assert.deepEqual([(await change(1)).status, (await change(1)).body.code], [200, 'version_mismatch'])
  const { body } = await ask(`GET /v1/escalation-policies/${first.id}`)
  assert.deepEqual([body.name, body.version, body.history.map(({ action }) => action)], ['renamed', 2, ['created', 'changed']])
  assert.ok(body.history.every(({ actor }) => actor))
  assert.equal((await ask(`DELETE /v1/escalation-policies/${first.id}`, undefined, ifMatch(1))).body.code, 'version_mismatch')
  assert.equal((await ask(`DELETE /v1/escalation-policies/${first.id}`, undefined, ifMatch(2))).status, 200)
  assert.equal((await ask(`GET /v1/escalation-policies/${first.id}`)).status, 404)
})

test('a policy that cannot be is refused by the name of its field', async () => {
  await make({ name: 'taken' })
  const field = async (body: object) => {
    const { status, body: problem } = await ask('POST /v1/escalation-policies', { name: sku, steps, ...body })
    return [status, problem.errors[0]?.field]
  }
  assert.deepEqual(await field({ name: 'taken' }), [422, 'name'])
  assert.deepEqual(await field({ steps: [] }), [422, 'steps'])
  assert.deepEqual(await field({ steps: [{ afterMinutes: 0, targets: ['role:buyer'] }] }), [422, 'steps[0].afterMinutes'])
  assert.deepEqual(await field({ steps: [{ afterMinutes: 5, targets: ['buyer'] }] }), [422, 'steps[0].targets[0]'])
  assert.deepEqual(await field({ steps: [{ afterMinutes: 5, targets: ['recipient:ann'] }] }), [422, 'steps[0].targets[0]'])
  assert.deepEqual(await field({ steps: [{ ...steps[0], channels: ['fax'] }] }), [422, 'steps[0].channels[0]'])
  assert.deepEqual(await field({ matchers: { colour: ['red'] } }), [422, 'matchers.colour'])
  assert.deepEqual(await field({ repeat: 99 }), [422, 'repeat'])
})
