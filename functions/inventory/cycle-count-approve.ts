import { z } from 'zod'
import { Id, Sku } from '../../shared/fields.ts'
import type { Call } from '../../shared/function/operation.ts'
import { currentWork } from '../../shared/telemetry/context.ts'
import { CountBody, closeCount, countBody, lockOpenCount, type Progress, progressOf, readCount } from './cycle-count.ts'
import { correct, prepare } from './cycle-count-correct.ts'
import { type Inventory, stockOperation } from './function.ts'

/** Refused lines told in the answer; `GET /v1/counts/{id}?state=refused` has all. */
const told = 1_000

const Outcome = z
  .object({
    ...CountBody.shape,
    complete: z.boolean().meta({ description: 'False when the time was too short for all lines: ask again.' }),
    refused: z.array(z.object({ sku: Sku, variance: z.int(), detail: z.string().nullable() })),
  })
  .meta({ id: 'CountApproval' })

export const approveCount = stockOperation({
  id: 'count-approve',
  route: 'POST /v1/counts/{id}/approve',
  summary: 'Approve a cycle count',
  description:
    'Corrects the stock by the variance of each line that was counted, or of the named ones, as movements of the kind `count`. Units of a SKU that the location did not know get their row. Units that are promised are not taken: such a line is refused with the reason, the others are approved. The count is closed when no line is left, or with `close`, which leaves the rest uncorrected. Doing it again finds it done.',
  allow: ['stock:write'],
  problems: ['not_found', 'count_not_open'],
  deadline: 60_000,
  example: { close: true },
  input: z.strictObject({
    id: Id,
    skus: z.array(Sku).min(1).max(5_000).optional(),
    close: z.boolean().default(false),
  }),
  output: Outcome,
  async handle(deps, { id, skus, close }, call) {
    const { inventory } = deps.db
    const found = await readCount(inventory.sql, id)
    if (found.state !== 'approved') {
      await inventory.transaction(async tx => prepare(tx, await lockOpenCount(tx, id), skus, deps.newId))
    }
    const complete = await correct(deps, found, call, (currentWork()?.deadline ?? Date.now() + 60_000) - 5_000)
    if (complete) await closeWhenDone(deps, id, close, call)
    const [count, progress, refused] = await Promise.all([
      readCount(inventory.sql, id),
      progressOf(inventory.sql, [id]),
      inventory.sql<{ sku: string; variance: number; detail: string | null }[]>`
        select sku, counted - expected as variance, detail from cycle_count_line
        where count_id = ${id} and state = 'refused' order by sku limit ${told}`,
    ])
    return { ...countBody(count, progress.get(id) as Progress), complete, refused: [...refused] }
  },
})

export const cancelCount = stockOperation({
  id: 'count-cancel',
  route: 'POST /v1/counts/{id}/cancel',
  summary: 'Cancel a cycle count',
  description: 'Lines that are not approved stay uncorrected. Doing it again finds it done.',
  allow: ['stock:write'],
  problems: ['not_found', 'count_not_open'],
  deadline: 60_000,
  example: {},
  input: z.strictObject({ id: Id }),
  output: CountBody,
  async handle(deps, { id }, call) {
    const { inventory } = deps.db
    const found = await readCount(inventory.sql, id)
    if (found.state !== 'cancelled') {
      // An approval that was interrupted has corrected what it has: it is brought to its end, not undone.
      await correct(deps, found, call, (currentWork()?.deadline ?? Date.now() + 60_000) - 5_000)
      await inventory.transaction(async tx => closeCount(tx, await lockOpenCount(tx, id), 'cancelled', by(deps, call)))
    }
    return countBody(await readCount(inventory.sql, id), (await progressOf(inventory.sql, [id])).get(id) as Progress)
  },
})

const by = ({ now, newId }: Inventory, { subject }: Call) => ({ subject, now: now(), newId })

async function closeWhenDone(deps: Inventory, id: string, close: boolean, call: Call): Promise<void> {
  await deps.db.inventory.transaction(async tx => {
    const count = await readCount(tx, id, 'locked')
    if (count.state !== 'open') return
    const progress = (await progressOf(tx, [id])).get(id) as Progress
    if (close || (progress.total > 0 && progress.approved === progress.total))
      await closeCount(tx, count, 'approved', by(deps, call))
  })
}
