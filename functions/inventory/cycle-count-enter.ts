import { z } from 'zod'
import { idempotently } from '../../shared/data/idempotency.ts'
import { isUniqueViolation, type Tx } from '../../shared/data/postgres.ts'
import { Rejected } from '../../shared/errors.ts'
import { Count, Id, lines, Sku, Timestamp } from '../../shared/fields.ts'
import { Reply } from '../../shared/function/operation.ts'
import { type CycleCount, lockOpenCount, wrongField } from './cycle-count.ts'
import { stockOperation } from './function.ts'

const Line = z.strictObject({
  sku: Sku,
  counted: Count,
  countedAt: Timestamp.optional().meta({
    description: 'When the units were counted, if not just now. Not before the count was opened.',
  }),
  version: Count.optional().meta({
    description: 'The version of the stock when the units were counted, where it is known: more exact than a time.',
  }),
})
type Line = z.output<typeof Line>

/** Seconds by which a scanner's clock may be ahead of ours. */
const clockTolerance = 60

export const enterCounts = stockOperation({
  id: 'count-enter',
  route: 'PUT /v1/counts/{id}/lines',
  summary: 'Enter counted units',
  description:
    'The last figure of a line wins; all are kept, with who and when. The variance is against what the ledger says was there at the moment of counting, so stock may move before and after. A SKU that the count covers and that was not expected gets a line.',
  allow: ['stock:write'],
  idempotent: true,
  problems: ['not_found', 'count_not_open', 'count_conflict'],
  example: { lines: [{ sku: '85123A', counted: 118 }] },
  input: z.strictObject({ id: Id, lines: lines(Line) }),
  output: z
    .object({
      lines: z.array(
        z.object({
          sku: Sku,
          counted: Count,
          expected: z.int().nullable().meta({ description: 'Null in a blind count.' }),
          variance: z.int().nullable(),
        }),
      ),
    })
    .meta({ id: 'EnteredCounts' }),
  async handle({ db, now }, { id, lines: given }, call) {
    refuseRepeated(given)
    try {
      return await idempotently(db.inventory, call, async tx => {
        const count = await lockOpenCount(tx, id)
        refuseTimes(given, count, now())
        await addUnexpected(tx, count, given)
        const entered = await enter(tx, count, given, { subject: call.subject, at: now() })
        refuseVersions(given, entered)
        return Reply.of(200, {
          lines: entered.map(({ sku, counted, expected }) =>
            count.blind
              ? { sku, counted, expected: null, variance: null }
              : { sku, counted, expected, variance: counted - expected },
          ),
        })
      })
    } catch (error) {
      if (isUniqueViolation(error)) throw new Rejected('count_conflict')
      throw error
    }
  },
})

function refuseRepeated(given: readonly Line[]): void {
  const seen = new Set<string>()
  for (const [index, { sku }] of given.entries()) {
    if (seen.has(sku)) throw wrongField(`lines[${index}].sku`, 'stands in another line too')
    seen.add(sku)
  }
}

function refuseTimes(given: readonly Line[], { openedAt }: CycleCount, now: Date): void {
  for (const [index, { countedAt, version }] of given.entries()) {
    if (countedAt === undefined) continue
    const at = new Date(countedAt)
    if (version !== undefined) throw wrongField(`lines[${index}].countedAt`, 'give either countedAt or version')
    if (at < openedAt) throw wrongField(`lines[${index}].countedAt`, 'before the count was opened')
    if (at.getTime() > now.getTime() + clockTolerance * 1000) throw wrongField(`lines[${index}].countedAt`, 'in the future')
  }
}

/** What nobody expected here: its snapshot is the row as it is now, or nothing. */
async function addUnexpected(tx: Tx, count: CycleCount, given: readonly Line[]): Promise<void> {
  const known = new Set(
    (
      await tx<{ sku: string }[]>`
        select sku from cycle_count_line where count_id = ${count.id} and sku = any (${given.map(({ sku }) => sku)}::text[])`
    ).map(({ sku }) => sku),
  )
  const outside = given.findIndex(
    ({ sku }) => !known.has(sku) && (count.listed || (count.skuPrefix !== null && !sku.startsWith(count.skuPrefix))),
  )
  if (outside >= 0) throw wrongField(`lines[${outside}].sku`, 'not covered by this count')
  const added = given.filter(({ sku }) => !known.has(sku)).map(({ sku }) => sku)
  if (added.length === 0) return
  await tx`
    insert into cycle_count_line (count_id, sku, location, snapshot_version, snapshot_on_hand)
    select ${count.id}, named.sku, ${count.location}, coalesce(s.version, 0), coalesce(s.on_hand, 0)
    from unnest(${added}::text[]) as named (sku) left join stock s on s.sku = named.sku and s.location = ${count.location}`
}

interface Entered {
  sku: string
  counted: number
  expected: number
  /** The version at which it was counted lies between the snapshot and now. */
  isKnown: boolean
  isOpen: boolean
}

/**
 * `expected` is what was on the shelf at the moment of counting: the units now without the movements since. The moment is a version:
 * the given one, the last at the given time, or the present one.
 */
async function enter(tx: Tx, count: CycleCount, given: readonly Line[], by: { subject: string; at: Date }): Promise<Entered[]> {
  const entered = await tx<(Entered & { version: number; at: string })[]>`
    with given as (
      select * from unnest(${given.map(({ sku }) => sku)}::text[], ${given.map(({ counted }) => counted)}::bigint[],
        ${given.map(({ countedAt }) => countedAt ?? null)}::timestamptz[], ${given.map(({ version }) => version ?? null)}::bigint[])
        with ordinality as given (sku, counted, counted_at, version, number)
    ),
    moment as (
      select g.sku, g.counted, g.number, coalesce(g.counted_at, ${by.at}) as at, l.snapshot_version, l.state,
        coalesce(s.on_hand, 0) as on_hand, coalesce(s.version, 0) as newest,
        case
          when g.version is not null then g.version
          when g.counted_at is null then coalesce(s.version, 0)
          else greatest(l.snapshot_version, (
            select max(m.version) from movement m
            where m.sku = l.sku and m.location = l.location and m.version > l.snapshot_version and m.at <= g.counted_at))
        end as version
      from given g
      join cycle_count_line l on l.count_id = ${count.id} and l.sku = g.sku
      left join stock s on s.sku = l.sku and s.location = l.location
    ),
    judged as (
      select c.*, c.on_hand - coalesce((
          select sum(m.on_hand_delta) from movement m
          where m.sku = c.sku and m.location = ${count.location} and m.version > c.version), 0)::bigint as expected,
        c.version between c.snapshot_version and c.newest as is_known, c.state in ('open', 'entered', 'refused') as is_open
      from moment c
    ),
    written as (
      update cycle_count_line l set state = 'entered', counted = j.counted, counted_version = j.version, expected = j.expected,
        counted_at = j.at, counted_by = ${by.subject}, detail = null
      from judged j where l.count_id = ${count.id} and l.sku = j.sku and j.is_open and j.is_known
    ),
    kept as (
      insert into cycle_count_entry (count_id, sku, counted, expected, counted_version, counted_at, entered_by, entered_at)
      select ${count.id}, sku, counted, expected, version, at, ${by.subject}, ${by.at} from judged where is_open and is_known
    )
    select sku, counted, expected, is_known as "isKnown", is_open as "isOpen" from judged order by number`
  const closed = entered.filter(({ isOpen }) => !isOpen).map(({ sku }) => sku)
  if (closed.length > 0) {
    throw new Rejected('count_not_open', `Approved already: ${closed.slice(0, 20).join(', ')}.`, { skus: closed.slice(0, 20) })
  }
  return entered
}

function refuseVersions(given: readonly Line[], entered: readonly Entered[]): void {
  const unknown = new Set(entered.filter(({ isKnown }) => !isKnown).map(({ sku }) => sku))
  const index = given.findIndex(({ sku }) => unknown.has(sku))
  if (index >= 0) throw wrongField(`lines[${index}].version`, 'not a version between the opening of the count and now')
}
