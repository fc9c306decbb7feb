import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import { idempotently } from '../../shared/data/idempotency.ts'
import type { Sql, Tx } from '../../shared/data/postgres.ts'
import { Rejected } from '../../shared/errors.ts'
import { Count, Id, page, pageQuery } from '../../shared/fields.ts'
import { operation, Reply } from '../../shared/function/operation.ts'
import { type DatabaseName, databases } from '../../shared/function/resources.ts'
import type { BacklogDeps } from './backlog.ts'

const DatabaseField = z.enum(databases).meta({ description: 'Whose event it is.', example: 'orders' })

const SetAsideEvent = z
  .object({
    database: DatabaseField,
    id: z.uuid(),
    type: z.string(),
    key: z.string(),
    reason: z.string().meta({ description: 'Why it could not be encoded.' }),
    createdAt: z.iso.datetime(),
    at: z.iso.datetime().meta({ description: 'When it was set aside.' }),
  })
  .meta({ id: 'SetAsideEvent' })
type SetAsideEvent = z.output<typeof SetAsideEvent>

const position = z.tuple([z.iso.datetime(), Id])

export const listSetAside = operation<BacklogDeps>()({
  id: 'outbox-set-aside-list',
  route: 'GET /v1/outbox/set-aside',
  summary: 'List set-aside events',
  description: 'Events that a transaction made true and that could not be encoded for Kafka, newest first, with the reason.',
  allow: ['ops:read', 'ops:write'],
  input: z.strictObject({ database: DatabaseField.optional(), ...pageQuery }),
  output: page(SetAsideEvent).meta({ id: 'SetAsideEventPage' }),
  async handle({ db }, { database, limit, cursor }) {
    const after = decodeCursor(cursor, position)
    const asked = database ? [database] : databases
    const rows = await Promise.all(asked.map(name => setAsideOf(db[name].sql, name, after, limit + 1)))
    return pageOf(rows.flat().sort(newestFirst), limit, ({ at, id }) => [at, id])
  },
})

export const retrySetAside = operation<BacklogDeps>()({
  id: 'outbox-set-aside-retry',
  route: 'POST /v1/outbox/set-aside/retry',
  summary: 'Put set-aside events back',
  description:
    'Moves them back to the outbox of their database, in the order in which they were made: the relay sends them next, or sets them aside again. Give `ids`, or `all`. At most 1,000 a call; `left` says how many are still set aside.',
  allow: ['ops:write'],
  idempotent: true,
  example: { database: 'orders', all: true },
  input: z.strictObject({
    database: DatabaseField,
    ids: z.array(Id).min(1).max(1_000).optional(),
    all: z.literal(true).optional(),
  }),
  output: z
    .object({ moved: z.array(z.uuid()), left: Count.meta({ description: 'Events of this database still set aside.' }) })
    .meta({ id: 'SetAsideRetry' }),
  handle({ db }, { database, ids, all }, call) {
    if ((ids === undefined) === (all === undefined)) {
      throw new Rejected('invalid_input', 'ids: give either ids or all.', {
        errors: [{ field: 'ids', message: 'give either ids or all' }],
      })
    }
    return idempotently(db[database], call, async tx => {
      const moved = await moveBack(tx, ids ?? null)
      const [counted] = await tx<{ left: number }[]>`select count(*) as left from outbox_set_aside`
      return Reply.of(200, { moved: moved.map(({ id }) => id), left: counted?.left ?? 0 })
    })
  },
})

/** Times are text with microseconds: rounded to a Date, a page would begin before or behind its cursor. */
const setAsideOf = (sql: Sql, database: DatabaseName, after: z.output<typeof position> | undefined, limit: number) => sql<
  SetAsideEvent[]
>`
  select ${database} as database, event_id as id, type, key, error as reason,
    to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "createdAt",
    to_char(set_aside_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
  from outbox_set_aside
  where ${after?.[0] ?? null}::timestamptz is null
    or (set_aside_at, event_id) < (${after?.[0] ?? null}::timestamptz, ${after?.[1] ?? null}::uuid)
  order by set_aside_at desc, event_id desc
  limit ${limit}`

const newestFirst = (a: SetAsideEvent, b: SetAsideEvent): number => {
  const [first, second] = [`${a.at} ${a.id}`, `${b.at} ${b.id}`]
  return first < second ? 1 : first > second ? -1 : 0
}

const moveBack = (tx: Tx, ids: readonly string[] | null) => tx<{ id: string }[]>`
  with chosen as (
    select event_id from outbox_set_aside
    where ${ids}::uuid[] is null or event_id = any (${ids}::uuid[])
    order by created_at, event_id
    limit 1000
    for update skip locked
  ), taken as (
    delete from outbox_set_aside where event_id in (select event_id from chosen)
    returning event_id, type, key, data, traceparent, created_at
  )
  insert into outbox (event_id, type, key, data, traceparent, created_at)
  select event_id, type, key, data, traceparent, created_at from taken order by created_at, event_id
  returning event_id as id`
