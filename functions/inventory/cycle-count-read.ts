import { z } from 'zod'
import { decodeCursor, encodeCursor, pageOf } from '../../shared/cursor.ts'
import type { Sql } from '../../shared/data/postgres.ts'
import { Count, Id, Location, page, pageQuery, Sku, Timestamp } from '../../shared/fields.ts'
import { CountBody, type CycleCount, countBody, countColumns, type Progress, progressOf, readCount } from './cycle-count.ts'
import { stockOperation } from './function.ts'

const lineStates = ['open', 'entered', 'refused', 'approved', 'skipped'] as const

const CountLine = z
  .object({
    sku: Sku,
    state: z.enum(lineStates),
    snapshot: z
      .object({ version: Count, onHand: z.int() })
      .nullable()
      .meta({ description: 'The stock when the count was opened. Null in a blind count before the line was counted.' }),
    counted: Count.nullable(),
    countedAt: Timestamp.nullable(),
    countedBy: z.string().nullable(),
    expected: z.int().nullable().meta({ description: 'What was there at the moment of counting by the ledger.' }),
    variance: z.int().nullable().meta({ description: 'counted − expected.' }),
    detail: z.string().nullable().meta({ description: 'Why the line was refused.' }),
    entries: z.array(z.object({ counted: Count, countedAt: Timestamp, enteredBy: z.string(), enteredAt: Timestamp })),
  })
  .meta({ id: 'CycleCountLine' })
type CountLine = z.output<typeof CountLine>

export const readOneCount = stockOperation({
  id: 'count-read',
  route: 'GET /v1/counts/{id}',
  summary: 'Read a cycle count',
  description: 'Its progress, and its lines in the order of SKU, a page at a time.',
  allow: ['stock:read', 'stock:write'],
  problems: ['not_found'],
  input: z.strictObject({ id: Id, state: z.enum(lineStates).optional(), ...pageQuery }),
  output: z.object({ ...CountBody.shape, items: z.array(CountLine), next: z.string().nullable() }).meta({ id: 'CycleCountPage' }),
  async handle({ db }, { id, state, limit, cursor }) {
    const { sql } = db.inventory
    const count = await readCount(sql, id)
    const [after] = decodeCursor(cursor, z.tuple([Sku])) ?? []
    const [lines, progress] = await Promise.all([
      listLines(sql, count, { state, after, limit: limit + 1 }),
      progressOf(sql, [id]),
    ])
    return { ...countBody(count, progress.get(id) as Progress), ...pageOf(lines, limit, ({ sku }) => [sku]) }
  },
})

export const listCounts = stockOperation({
  id: 'count-list',
  route: 'GET /v1/counts',
  summary: 'List cycle counts',
  description: 'The newest first, a page at a time.',
  allow: ['stock:read', 'stock:write'],
  input: z.strictObject({
    location: Location.optional(),
    state: z.enum(['open', 'approved', 'cancelled']).optional(),
    ...pageQuery,
  }),
  output: page(CountBody).meta({ id: 'CycleCountList' }),
  async handle({ db }, { location, state, limit, cursor }) {
    const { sql } = db.inventory
    const [before] = decodeCursor(cursor, z.tuple([Id])) ?? []
    const counts = await sql<CycleCount[]>`
      select ${countColumns(sql)} from cycle_count
      where (${location ?? null}::text is null or location = ${location ?? null}) and (${state ?? null}::text is null or state = ${state ?? null})
        and (${before ?? null}::uuid is null or id < ${before ?? null}::uuid)
      order by id desc limit ${limit + 1}`
    const shown = counts.slice(0, limit)
    const progress = await progressOf(
      sql,
      shown.map(({ id }) => id),
    )
    const last = shown.at(-1)
    return {
      items: shown.map(count => countBody(count, progress.get(count.id) as Progress)),
      next: counts.length > limit && last ? encodeCursor([last.id]) : null,
    }
  },
})

/** A line that is being approved shows as entered: that lasts as long as one command. */
const listLines = (
  sql: Sql,
  { id, blind }: CycleCount,
  { state, after, limit }: { state: CountLine['state'] | undefined; after: string | undefined; limit: number },
): PromiseLike<CountLine[]> => sql<CountLine[]>`
  select l.sku, case l.state when 'approving' then 'entered' else l.state end as state,
    case when not ${blind}::boolean or l.counted is not null
      then jsonb_build_object('version', l.snapshot_version, 'onHand', l.snapshot_on_hand) end as snapshot,
    l.counted, to_char(l.counted_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "countedAt", l.counted_by as "countedBy",
    l.expected, l.counted - l.expected as variance, l.detail,
    (select coalesce(jsonb_agg(jsonb_build_object('counted', e.counted,
        'countedAt', to_char(e.counted_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'enteredBy', e.entered_by,
        'enteredAt', to_char(e.entered_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) order by e.id), '[]'::jsonb)
     from cycle_count_entry e where e.count_id = l.count_id and e.sku = l.sku) as entries
  from cycle_count_line l
  where l.count_id = ${id} and (${after ?? null}::text is null or l.sku > ${after ?? null})
    and (${state ?? null}::text is null or l.state = ${state ?? null} or (${state ?? null} = 'entered' and l.state = 'approving'))
  order by l.sku limit ${limit}`
