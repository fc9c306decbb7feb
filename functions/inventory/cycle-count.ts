import { z } from 'zod'
import type { Queryable, Tx } from '../../shared/data/postgres.ts'
import { Rejected } from '../../shared/errors.ts'
import { publish } from '../../shared/events/outbox.ts'
import { Count, Id, Location, Reference, Timestamp } from '../../shared/fields.ts'

export type CountState = 'open' | 'approved' | 'cancelled'

export interface CycleCount {
  readonly id: string
  readonly location: string
  readonly skuPrefix: string | null
  readonly listed: boolean
  readonly blind: boolean
  readonly reference: string | null
  readonly state: CountState
  readonly openedBy: string
  readonly openedAt: Date
  readonly closedBy: string | null
  readonly closedAt: Date | null
}

export interface Progress {
  readonly total: number
  readonly open: number
  readonly entered: number
  readonly refused: number
  readonly approved: number
  readonly skipped: number
  readonly over: number
  readonly short: number
}

const Lines = z.object({
  total: Count,
  open: Count.meta({ description: 'Not counted yet.' }),
  entered: Count.meta({ description: 'Counted, not approved.' }),
  refused: Count.meta({ description: 'Counted, and their variance could not be applied.' }),
  approved: Count,
  skipped: Count.meta({ description: 'Left uncorrected when the count was closed.' }),
  over: Count.meta({ description: 'Units found beyond what was expected, over all counted lines.' }),
  short: Count.meta({ description: 'Units missing, over all counted lines.' }),
})

export const CountBody = z
  .object({
    id: Id,
    location: Location,
    skuPrefix: z.string().nullable(),
    listed: z.boolean().meta({ description: 'It covers the SKUs that it was opened with, and no other.' }),
    blind: z.boolean().meta({ description: 'What is expected on a line is told only after it was counted.' }),
    reference: Reference.nullable(),
    state: z.enum(['open', 'approved', 'cancelled']),
    openedBy: z.string(),
    openedAt: Timestamp,
    closedBy: z.string().nullable(),
    closedAt: Timestamp.nullable(),
    lines: Lines,
  })
  .meta({ id: 'CycleCount' })

export const countBody = ({ openedAt, closedAt, ...count }: CycleCount, lines: Progress): z.output<typeof CountBody> => ({
  ...count,
  openedAt: openedAt.toISOString(),
  closedAt: closedAt?.toISOString() ?? null,
  lines,
})

export const countColumns = (sql: Queryable) => sql`
  id, location, sku_prefix as "skuPrefix", listed, blind, reference, state, opened_by as "openedBy", opened_at as "openedAt",
  closed_by as "closedBy", closed_at as "closedAt"`

export async function readCount(sql: Queryable, id: string, lock: 'unlocked' | 'locked' = 'unlocked'): Promise<CycleCount> {
  const [count] = await sql<CycleCount[]>`
    select ${countColumns(sql)} from cycle_count where id = ${id} ${lock === 'locked' ? sql`for update` : sql``}`
  if (!count) throw new Rejected('not_found', `There is no count ${id}.`)
  return count
}

/** Locks the count, so that nobody closes it meanwhile. */
export async function lockOpenCount(tx: Tx, id: string): Promise<CycleCount> {
  const count = await readCount(tx, id, 'locked')
  if (count.state !== 'open') throw new Rejected('count_not_open', `The count is ${count.state}.`, { state: count.state })
  return count
}

export async function progressOf(sql: Queryable, ids: readonly string[]): Promise<Map<string, Progress>> {
  const rows = await sql<(Progress & { id: string })[]>`
    select asked.id, count(l.sku) as total, count(*) filter (where l.state = 'open') as open,
      count(*) filter (where l.state in ('entered', 'approving')) as entered, count(*) filter (where l.state = 'refused') as refused,
      count(*) filter (where l.state = 'approved') as approved, count(*) filter (where l.state = 'skipped') as skipped,
      coalesce(sum(greatest(l.counted - l.expected, 0)), 0)::bigint as over,
      coalesce(sum(greatest(l.expected - l.counted, 0)), 0)::bigint as short
    from unnest(${ids}::uuid[]) as asked (id) left join cycle_count_line l on l.count_id = asked.id
    group by asked.id`
  return new Map(rows.map(({ id, ...progress }) => [id, progress]))
}

/** Ends a count. Lines that were not corrected stay as they are in the stock. */
export async function closeCount(
  tx: Tx,
  count: CycleCount,
  state: 'approved' | 'cancelled',
  by: { subject: string; now: Date; newId: () => string },
): Promise<void> {
  await tx`update cycle_count set state = ${state}, closed_by = ${by.subject}, closed_at = ${by.now} where id = ${count.id}`
  await tx`
    update cycle_count_line set state = 'skipped' where count_id = ${count.id} and state in ('open', 'entered', 'refused')`
  const data = { countId: count.id, location: count.location, state, closedAt: by.now.getTime() }
  await publish(tx, by.newId, [{ type: 'tidemark.count.closed.v1', data }])
}

/** The field that a person has to change. */
export const wrongField = (field: string, message: string): Rejected =>
  new Rejected('invalid_input', `${field}: ${message}`, { errors: [{ field, message }] })
