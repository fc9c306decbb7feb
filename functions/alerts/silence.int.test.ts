import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import type { RequestOptions } from '../../test/environment.ts'
import { ownDatabase } from '../../test/own-database.ts'
import { alertsDue } from './due.ts'
import { evaluateAlerts } from './evaluate.ts'
import { readAlerts } from './read.ts'
import { respondToAlerts } from './respond.ts'
import { setThresholds } from './set-thresholds.ts'
import { silenceAlerts } from './silences.ts'

const { sql, start } = await ownDatabase('alerts')
const [evaluation, thresholds, silencing, responding, reading, due] = await Promise.all([
  start(evaluateAlerts),
  start(setThresholds),
  start(silenceAlerts),
  start(respondToAlerts),
  start(readAlerts),
  start(alertsDue, { DATABASE_POOL: '4' }),
])

let sku: string
let number = 0
const versions = new Map<string, number>()
beforeEach(async () => {
  sku = `SKU-${++number}`
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

interface Shown {
  id: string
  code: string
  state: string
  version: number
  endsAt: string
  muted: string | null
  mutes: { count: number; alerts: { id: string }[] }
  history: { action: string; actor: string | null; detail: { muted?: string } | null }[]
  errors: { field: string }[]
  items: Shown[]
  next: string | null
}
const ask = (route: string, body?: object, options: RequestOptions = {}) =>
  silencing.request<Shown>(route, { ...(body && { body }), ...options })
const silence = async (body: object = {}) =>
  (await ask('POST /v1/silences', { matchers: { sku: [sku] }, minutes: 60, comment: 'Moving the shelf.', ...body })).body
const change = (id: string, version: number, body: object) =>
  ask(`PATCH /v1/silences/${id}`, body, { headers: { 'if-match': `"${version}"` } })
const newest = async (of = sku): Promise<Shown> => {
  const { body } = await reading.request<Shown>(`GET /v1/alerts?sku=${of}&limit=1`)
  return (await reading.request<Shown>(`GET /v1/alerts/${body.items[0]?.id}`)).body
}
const respond = (action: string, id: string, body: object = {}) =>
  responding.request<Shown>(`POST /v1/alerts/${id}/${action}`, { body })
/** What was told of the SKU: how often, and whether it was muted. */
const told = async (of = sku) =>
  (
    await sql<{ telling: number; muted: string | null }[]>`
      select (data::jsonb -> 'telling')::int as telling, data::jsonb ->> 'muted' as muted from outbox
      where type = 'tidemark.alert.raised.v1' and data::jsonb ->> 'sku' = ${of} order by id`
  ).map(({ telling, muted }) => [telling, muted?.replace(/:[0-9a-f-]{36}$/, '') ?? null])
const actions = async () => (await newest()).history.map(({ action }) => action)

test('an alert that is raised while a silence matches is seen and muted, and told once when the silence is over', async () => {
  const { id, state } = await silence()
  assert.equal(state, 'active')
  await see(8)
  assert.equal((await newest()).muted, `silence:${id}`)
  await due.tick()
  assert.deepEqual(await told(), [[1, 'silence']])
  await sql`update silence set ends_at = now() where id = ${id}`
  for (let round = 0; round < 3; round++) await due.tick()
  assert.deepEqual(await told(), [
    [1, 'silence'],
    [2, null],
  ])
  assert.deepEqual([(await newest()).muted, await actions()], [null, ['raised', 'unmuted']])
})

test('a silence mutes what stands, says what it mutes, and does not tell it; expiring it at once does', async () => {
  await see(8)
  const alert = await newest()
  const { id } = await silence({ matchers: { sku: [`${sku}*`], location: ['main'] } })
  const { body } = await ask(`GET /v1/silences/${id}`)
  assert.deepEqual([body.mutes.count, body.mutes.alerts.map(one => one.id)], [1, [alert.id]])
  const quiet = [
    [1, null],
    [2, 'silence'],
  ]
  assert.deepEqual(await told(), quiet, 'who repeats or gathers messages hears that it is muted')
  for (const status of [200, 200]) assert.equal((await ask(`POST /v1/silences/${id}/expire`, {})).status, status)
  assert.deepEqual(await told(), [...quiet, [3, null]])
  const { history } = await newest()
  assert.deepEqual(
    history.map(({ action, detail }) => [action, detail?.muted]),
    [
      ['raised', undefined],
      ['muted', `silence:${id}`],
      ['unmuted', undefined],
    ],
  )
})

test('what somebody acknowledged or put off while it was silenced is not told at the end of the silence', async () => {
  const { id } = await silence({ matchers: { sku: [`${sku}*`] } })
  const other = `${sku}-B`
  await watch(other)
  await see(8)
  await see(8, other)
  await respond('acknowledge', (await newest()).id)
  await respond('snooze', (await newest(other)).id, { minutes: 5 })
  await ask(`POST /v1/silences/${id}/expire`, {})
  assert.deepEqual([await told(), await told(other)], [[[1, 'silence']], [[1, 'silence']]])
  assert.deepEqual([(await newest()).muted, (await newest(other)).muted], [null, null])
  await sql`update alert set snoozed_until = now() where sku = ${other}`
  await due.tick()
  assert.deepEqual((await told(other)).at(-1), [2, null])
})

test('a snooze that is over while a silence matches wakes the alert muted', async () => {
  await see(8)
  const { id } = await newest()
  await respond('snooze', id, { minutes: 5 })
  await silence()
  await sql`update alert set snoozed_until = now() where id = ${id}`
  await due.tick()
  const alert = await newest()
  assert.deepEqual([alert.state, alert.muted?.startsWith('silence:')], ['open', true])
  assert.deepEqual((await told()).at(-1), [2, 'silence'])
})

test('what gets worse is still muted; of two silences the second goes on when the first is over', async () => {
  const first = await silence()
  await see(8)
  await see(0)
  assert.deepEqual((await told()).at(-1), [2, 'silence'])
  const second = await silence({ matchers: { severity: ['out_of_stock'] } })
  await ask(`POST /v1/silences/${first.id}/expire`, {})
  assert.equal((await newest()).muted, `silence:${second.id}`)
  assert.equal((await told()).length, 2)
})

test('a silence of the future mutes nothing before it begins, and then what stands', async () => {
  await see(8)
  const { id, state } = await silence({ startsAt: new Date(Date.now() + 3_600_000).toISOString() })
  await due.tick()
  assert.deepEqual([state, (await newest()).muted], ['pending', null])
  await sql`update silence set starts_at = now() where id = ${id}`
  await due.tick()
  assert.equal((await newest()).muted, `silence:${id}`)
})

test('a silence that is changed so that it matches no longer lets the alert be told; an old version changes nothing', async () => {
  const { id, version } = await silence()
  await see(8)
  const longer = await change(id, version, { minutes: 300, comment: 'It takes longer.' })
  assert.deepEqual([longer.status, longer.body.version], [200, 2])
  assert.ok(Date.parse(longer.body.endsAt) > Date.now() + 290 * 60_000)
  assert.deepEqual((await change(id, version, { minutes: 5 })).body.code, 'version_mismatch')
  await change(id, 2, { matchers: { sku: ['ELSEWHERE'] } })
  assert.deepEqual((await told()).at(-1), [2, null])
  const { body } = await ask(`GET /v1/silences/${id}`)
  assert.deepEqual(
    body.history.map(({ action }) => action),
    ['created', 'changed', 'changed'],
  )
  assert.ok(body.history.every(({ actor }) => actor))
  await ask(`POST /v1/silences/${id}/expire`, {})
  assert.equal((await change(id, 4, { minutes: 5 })).body.code, 'silence_expired')
})

test('two rounds at once, and one that dies in between, tell each alert once when a silence is over', async () => {
  const skus = Array.from({ length: 250 }, (_, item) => `${sku}-${item}`)
  await watch(...skus)
  const { id } = await silence({ matchers: { sku: [`${sku}-*`] } })
  await Promise.all(skus.map(one => see(5, one)))
  await sql`update silence set ends_at = now() where id = ${id}`
  await sql.unsafe(`
    create function fail_once() returns trigger language plpgsql as $$ begin
      if new.action = 'unmuted' and nextval('failures') = 150 then raise exception 'killed'; end if;
      return new;
    end $$;
    create sequence failures;
    create trigger fail_once before insert on alert_history for each row execute function fail_once();`)
  const died = await due.tick()
  assert.ok(died >= 500)
  await sql`drop trigger fail_once on alert_history`
  await Promise.all([due.tick(), due.tick(), due.tick()])
  const [counts] = await sql<{ told: number; twice: number; left: number }[]>`
    select (select count(*)::int from outbox where data::jsonb ->> 'sku' like ${`${sku}-%`} and (data::jsonb ->> 'telling') = '2') as told,
      (select count(*)::int from outbox where data::jsonb ->> 'sku' like ${`${sku}-%`} and (data::jsonb ->> 'telling') = '3') as twice,
      (select count(*)::int from alert where sku like ${`${sku}-%`} and muted is not null) as left`
  assert.deepEqual({ ...counts }, { told: 250, twice: 0, left: 0 })
})

test('an alert that says that nothing is left mutes the lower ones of its place until it is over', async () => {
  await see(0)
  const low = '0198c0de-0000-7000-8000-00000000000'
  await sql`insert into alert (id, sku, location, state, severity, threshold, available, stock_version, raised_at, rule)
    values (${`${low}1`}, ${sku}, 'main', 'open', 'low', 1, 1, 1, now(), 'forecast'),
      (${`${low}2`}, ${sku}, 'other', 'open', 'low', 1, 1, 1, now(), 'forecast')`
  await due.tick()
  const muted = async () =>
    (
      await sql<{ muted: string | null }[]>`select muted from alert where id >= ${`${low}1`} and id <= ${`${low}2`} order by id`
    ).map(row => row.muted)
  assert.deepEqual(await muted(), ['inhibited:out_of_stock', null])
  await respond(
    'resolve',
    (await sql<{ id: string }[]>`select id from alert where sku = ${sku} and rule = 'absolute'`)[0]?.id ?? '',
  )
  await due.tick()
  assert.deepEqual(
    [await muted(), (await told()).at(-1)],
    [
      [null, null],
      [3, null],
    ],
  )
  await sql`update alert set state = 'resolved', resolved_at = now() where id in (${`${low}1`}, ${`${low}2`})`
})

test('silences are listed by their state, page by page', async () => {
  await sql`delete from silence`
  const active = await silence()
  const later = await silence({ startsAt: new Date(Date.now() + 3_600_000).toISOString() })
  const over = await silence({ minutes: 30 })
  await ask(`POST /v1/silences/${over.id}/expire`, {})
  const ids = async (query: string) => (await ask(`GET /v1/silences?${query}`)).body.items.map(({ id }) => id)
  assert.deepEqual(await ids(''), [later.id, active.id, over.id])
  assert.deepEqual(
    [await ids('state=active'), await ids('state=pending'), await ids('state=expired')],
    [[active.id], [later.id], [over.id]],
  )
  const page = await ask('GET /v1/silences?limit=2')
  assert.deepEqual(await ids(`limit=2&cursor=${page.body.next}`), [over.id])
})

test('a silence that cannot be is refused by the name of its field, and the same key makes one', async () => {
  const field = async (body: object) => {
    const { status, body: problem } = await ask('POST /v1/silences', {
      matchers: { sku: [sku] },
      minutes: 60,
      comment: 'x',
      ...body,
    })
    return [status, problem.errors[0]?.field]
  }
  assert.deepEqual(await field({ matchers: {} }), [422, 'matchers'])
  assert.deepEqual(await field({ matchers: { sku: ['*'] } }), [422, 'matchers.sku[0]'])
  assert.deepEqual(await field({ matchers: { severity: ['bad'] } }), [422, 'matchers.severity[0]'])
  assert.deepEqual(await field({ minutes: undefined }), [422, 'minutes'])
  assert.deepEqual(await field({ minutes: undefined, endsAt: '2020-01-01T00:00:00Z' }), [422, 'endsAt'])
  assert.deepEqual(await field({ minutes: undefined, endsAt: '2999-01-01T00:00:00Z' }), [422, 'endsAt'])
  assert.deepEqual(await field({ comment: ' ' }), [422, 'comment'])
  const body = { matchers: { sku: [sku] }, minutes: 60, comment: 'Once.' }
  const [one, two] = [await ask('POST /v1/silences', body, { key: sku }), await ask('POST /v1/silences', body, { key: sku })]
  assert.equal(one.body.id, two.body.id)
})
