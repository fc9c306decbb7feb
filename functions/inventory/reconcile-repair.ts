import { z } from 'zod'
import { remember, remembered } from '../../shared/data/idempotency.ts'
import type { Place } from '../../shared/data/locking-order.ts'
import type { Queryable } from '../../shared/data/postgres.ts'
import { Rejected } from '../../shared/errors.ts'
import { Count, Id, Location, Sku } from '../../shared/fields.ts'
import { type Call, Reply } from '../../shared/function/operation.ts'
import { type Inventory, stockOperation } from './function.ts'
import { examine } from './reconcile-batch.ts'
import { type Drift, openDrifts } from './reconcile-drift.ts'
import { type Figures, judge, type Repair, type RestoredRow, repairOf } from './reconcile-judge.ts'

/** Drifts looked at by one call: each reads the whole ledger of its row. */
const limit = 100

const Units = z.object({ onHand: z.int(), reserved: z.int() })
const Repaired = z.object({
  drifts: z.array(Id),
  sku: Sku,
  location: Location,
  outcome: z.enum(['would_repair', 'repaired', 'needs_person', 'vanished']).meta({
    description: 'needs_person: ledger and reservations do not prove what would be right, so nothing is done.',
  }),
  detail: z.string(),
  from: Units.nullable(),
  to: Units.nullable(),
})
type Repaired = z.output<typeof Repaired>

const Outcome = z
  .object({ applied: z.boolean(), repairs: z.array(Repaired), left: Count.meta({ description: 'Drifts still open.' }) })
  .meta({ id: 'StockRepair' })

export const repair = stockOperation({
  id: 'stock-repair',
  route: 'POST /v1/stock/reconciliation/repair',
  summary: 'Repair totals that drift',
  description: `Brings totals to what the ledger and the open reservations prove, as movements of the kind \`repair\`. A row that is gone is put back, without its settings. Looks again first, and writes only with \`apply\`. Give \`ids\`, or \`all\`: at most ${limit} drifts a call, the oldest first.`,
  allow: ['stock:write'],
  idempotent: true,
  deadline: 30_000,
  example: { all: true, apply: true },
  input: z.strictObject({
    ids: z.array(Id).min(1).max(limit).optional(),
    all: z.literal(true).optional(),
    apply: z.boolean().default(false).meta({ description: 'Without it nothing is written.' }),
  }),
  output: Outcome,
  async handle(deps, { ids, all, apply }, call) {
    if ((ids === undefined) === (all === undefined)) {
      throw new Rejected('invalid_input', 'ids: give either ids or all.', {
        errors: [{ field: 'ids', message: 'give either ids or all' }],
      })
    }
    const { inventory } = deps.db
    const known = await remembered<z.output<typeof Outcome>>(inventory.sql, call)
    if (known) return known
    const open = await openDrifts(inventory.sql, { ids, limit })
    const drifts = open.filter(({ kind }) => kind !== 'transit')
    const wrong = await look(deps, drifts)
    const repairs: Repaired[] = open.filter(({ kind }) => kind === 'transit').map(unprovable)
    for (const group of Map.groupBy(drifts, placeKey).values()) {
      repairs.push(await repairPlace(deps, group, wrong.get(placeKey(group[0] as Drift)), apply, call))
    }
    const [still] = await inventory.sql<{ left: number }[]>`select count(*) as left from drift where state = 'open'`
    const reply = Reply.of(200, { applied: apply, repairs, left: still?.left ?? 0 })
    // What a repetition would do is nothing: two at once may both answer for themselves.
    await inventory.transaction(tx => remember(tx, call, reply))
    return reply
  },
})

/** Whether units are on their way or lost, the books cannot know. */
const unprovable = ({ id, sku, location, detail }: Drift): Repaired => ({
  ...{ drifts: [id], sku, location, outcome: 'needs_person', detail, from: null, to: null },
})

const placeKey = ({ sku, location }: Place): string => `${location} ${sku}`

async function look({ db }: Inventory, places: readonly Place[]): Promise<Map<string, Figures>> {
  const unique = [...new Map(places.map(place => [placeKey(place), place])).values()]
  const { wrong } = await db.inventory.transaction(tx => examine(tx, unique, 'full'))
  return new Map(wrong.map(row => [placeKey(row), row]))
}

async function repairPlace(
  deps: Inventory,
  drifts: readonly Drift[],
  row: Figures | undefined,
  apply: boolean,
  call: Call,
): Promise<Repaired> {
  const [{ sku, location }] = drifts as [Drift]
  const told = { drifts: drifts.map(({ id }) => id), sku, location }
  const wanted = row && repairOf(row)
  if (!row || !wanted) {
    if (apply) await close(deps, told.drifts, 'vanished', call.subject)
    return { ...told, outcome: 'vanished', detail: 'The row adds up.', from: null, to: null }
  }
  const from = row.absent ? null : { onHand: row.onHand, reserved: row.reserved }
  const detail = judge(row)
    .map(finding => finding.detail)
    .join(' ')
  if (wanted === 'person') return { ...told, outcome: 'needs_person', detail, from, to: null }
  const to = { onHand: row.ledger.onHand, reserved: row.promised }
  if (!apply) return { ...told, outcome: 'would_repair', detail, from, to }
  try {
    await correct(deps, drifts, wanted, call)
  } catch (error) {
    if (!(error instanceof Rejected) || error.code !== 'insufficient_stock') throw error
    return { ...told, outcome: 'needs_person', detail: `${detail} More is promised than there would be.`, from, to }
  }
  if ((await look(deps, [{ sku, location }])).size > 0) {
    return { ...told, outcome: 'needs_person', detail: `${detail} It drifts again after the repair.`, from, to }
  }
  await close(deps, told.drifts, 'repaired', call.subject)
  return { ...told, outcome: 'repaired', detail, from, to }
}

/**
 * Differences, because stock goes on moving between the look and the correction. The key follows from the drift and the differences:
 * of two who repair the same at once one does it.
 */
async function correct({ ledger, db }: Inventory, drifts: readonly Drift[], repair: Repair, call: Call): Promise<void> {
  const [{ id, sku, location }] = drifts as [Drift]
  const { drift, reservedDelta, restored } = repair
  if (restored) await restoreRow(db.inventory.sql, { sku, location }, restored)
  const key = `repair/${id}/${drift.onHand}/${drift.reserved}/${reservedDelta}`
  const lines = [{ sku, location, delta: 0, reservedDelta, drift }]
  const command = { kind: 'repair', lines, reason: 'reconciliation', reference: id, actor: call.subject } as const
  await ledger.execute(command, { ...call, idempotencyKey: key, fingerprint: key }, 200, () => ({}))
}

/**
 * As the ledger has it: the movement that follows then tells of it, with the next version. While the row was gone nothing could be
 * written there, because a new row begins at a version that the ledger has already.
 */
const restoreRow = (sql: Queryable, { sku, location }: Place, { onHand, reserved, backorderLimit, version }: RestoredRow) => sql`
  insert into stock (sku, location, on_hand, reserved, backorder_limit, version)
  values (${sku}, ${location}, ${onHand}, ${reserved}, ${backorderLimit}, ${version})
  on conflict do nothing`

async function close({ db, now }: Inventory, ids: readonly string[], state: 'repaired' | 'vanished', by: string): Promise<void> {
  await db.inventory.sql`
    update drift set state = ${state}, closed_at = ${now()}, closed_by = ${by} where id = any (${ids}::uuid[]) and state = 'open'`
}
