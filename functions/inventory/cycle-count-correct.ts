import type { Tx } from '../../shared/data/postgres.ts'
import { Rejected } from '../../shared/errors.ts'
import type { Call } from '../../shared/function/operation.ts'
import { type CycleCount, wrongField } from './cycle-count.ts'
import type { Inventory } from './function.ts'

/** Lines that one command corrects. */
const batchLines = 100

/** What changed the books without a unit having moved: after one of these nobody knows whether a variance is mended already. */
const corrections = ['set', 'adjust', 'count', 'repair']

/**
 * Sorts the lines that are to be approved: what was corrected by somebody since is refused, what has no variance is done, and the rest
 * is put into named batches. The name is the key of the command that corrects them, so that a repetition sends the same one.
 */
export async function prepare(
  tx: Tx,
  count: CycleCount,
  skus: readonly string[] | undefined,
  newId: () => string,
): Promise<void> {
  if (skus) await refuseUncounted(tx, count, skus)
  await tx`
    update cycle_count_line l set
      state = case when corrected.by is not null then 'refused' when l.counted = l.expected then 'approved' else l.state end,
      detail = case when corrected.by is not null
        then 'The stock was corrected (' || corrected.by || ') after this line was counted: count it again.' end
    from cycle_count_line c
    left join lateral (
      select min(m.kind) as by from movement m
      where m.sku = c.sku and m.location = c.location and m.version > c.counted_version and m.kind = any (${corrections}::text[])
    ) corrected on true
    where c.count_id = ${count.id} and c.state in ('entered', 'refused')
      and (${skus ?? null}::text[] is null or c.sku = any (${skus ?? null}::text[]))
      and l.count_id = c.count_id and l.sku = c.sku`
  const lines = await tx<{ sku: string }[]>`
    select sku from cycle_count_line l
    where count_id = ${count.id} and (state = 'entered' or (state = 'refused' and detail is null))
      and (${skus ?? null}::text[] is null or sku = any (${skus ?? null}::text[]))
    order by sku`
  const batches = lines.map((_, index) => Math.floor(index / batchLines))
  const ids = batches.map((batch, index) => (batch === batches[index - 1] ? '' : newId()))
  for (const [index, id] of ids.entries()) if (id === '') ids[index] = ids[index - 1] as string
  await tx`
    update cycle_count_line l set state = 'approving', batch = named.batch
    from unnest(${lines.map(({ sku }) => sku)}::text[], ${ids}::uuid[]) as named (sku, batch)
    where l.count_id = ${count.id} and l.sku = named.sku`
}

/** Who names a SKU wants it corrected: one without a figure is told, and nothing is done. */
async function refuseUncounted(tx: Tx, { id }: CycleCount, skus: readonly string[]): Promise<void> {
  const counted = await tx<{ sku: string }[]>`
    select sku from cycle_count_line where count_id = ${id} and counted is not null and sku = any (${skus}::text[])`
  const known = new Set(counted.map(({ sku }) => sku))
  const index = skus.findIndex(sku => !known.has(sku))
  if (index >= 0) throw wrongField(`skus[${index}]`, `${skus[index]} was not counted here`)
}

interface Line {
  sku: string
  variance: number
  batch: string
  isCorrected: boolean
}

/**
 * Corrects what is prepared, also what a process that has died since prepared.
 * @returns false when time was up before the last batch
 */
export async function correct(deps: Inventory, count: CycleCount, call: Call, until: number): Promise<boolean> {
  for (;;) {
    const lines = await nextBatch(deps, count)
    const [first] = lines
    if (!first) return true
    if (Date.now() >= until) return false
    // The answer of the command may have been lost, even so long ago that its key is forgotten: the ledger has not forgotten it.
    const left = lines.filter(({ isCorrected }) => !isCorrected)
    const refusal = left.length > 0 ? await send(deps, count, left, call) : undefined
    if (refusal) await setAside(deps, count, left, refusal)
    else await settle(deps, count, lines, 'approved', null)
  }
}

/** A line is corrected once in a count, so its movement names it. */
const nextBatch = ({ db }: Inventory, { id, location }: CycleCount) => db.inventory.sql<Line[]>`
  select l.sku, l.counted - l.expected as variance, l.batch,
    exists (select from movement m where m.sku = l.sku and m.location = l.location and m.version > l.counted_version
      and m.kind = 'count' and m.reference = ${id}) as "isCorrected"
  from cycle_count_line l
  where l.count_id = ${id} and l.location = ${location} and l.state = 'approving'
    and l.batch = (select batch from cycle_count_line where count_id = ${id} and state = 'approving' order by batch limit 1)
  order by l.sku`

async function send({ ledger }: Inventory, count: CycleCount, lines: readonly Line[], call: Call): Promise<Rejected | undefined> {
  const key = `count/${lines[0]?.batch}`
  const command = {
    kind: 'count',
    lines: lines.map(({ sku, variance }) => ({ sku, location: count.location, delta: variance })),
    reason: 'count',
    reference: count.id,
    actor: call.subject,
  } as const
  try {
    await ledger.execute(command, { ...call, idempotencyKey: key, fingerprint: key }, 200, () => ({}))
    return undefined
  } catch (error) {
    if (error instanceof Rejected) return error
    throw error
  }
}

/** The lines that are in the way are refused; the others of their batch get another name, which is another command. */
async function setAside(deps: Inventory, count: CycleCount, lines: readonly Line[], refusal: Rejected): Promise<void> {
  const shortages = (refusal.details.shortages ?? []) as { sku: string; available: number }[]
  const short = new Map(shortages.map(({ sku, available }) => [sku, available]))
  const refused = short.size > 0 ? lines.filter(({ sku }) => short.has(sku)) : lines
  for (const line of refused) {
    const free = short.get(line.sku)
    const detail =
      free === undefined ? refusal.message : `Units are promised: ${-line.variance} are missing, ${free} could be taken off.`
    await settle(deps, count, [line], 'refused', detail)
  }
  const [first] = lines
  await deps.db.inventory.sql`
    update cycle_count_line set batch = ${deps.newId()}
    where count_id = ${count.id} and state = 'approving' and batch = ${first?.batch ?? null}`
}

/** Only what is still in this batch: of two who approve at once the other may have been here before. */
async function settle(
  { db }: Inventory,
  count: CycleCount,
  lines: readonly Line[],
  state: 'approved' | 'refused',
  detail: string | null,
): Promise<void> {
  await db.inventory.sql`
    update cycle_count_line set state = ${state}, detail = ${detail}
    where count_id = ${count.id} and state = 'approving' and batch = ${lines[0]?.batch ?? null}
      and sku = any (${lines.map(({ sku }) => sku)}::text[])`
}
