import { z } from 'zod'
import { Transient } from '../../shared/errors.ts'
import { Count } from '../../shared/fields.ts'
import { type Call, Reply } from '../../shared/function/operation.ts'
import { problemOf } from '../../shared/function/problem.ts'
import { currentWork } from '../../shared/telemetry/context.ts'
import { askedOf, BulkRow } from './bulk-row.ts'
import { type Inventory, stockOperation } from './function.ts'
import { ReservationBody, StockLevel, StockLevels } from './stock.ts'

export const bulkLimit = 1_000

/** Rows of one call that wait in the ledger at once: a tenth of its queue, and enough to fill a transaction. */
const rowsAtOnce = 200

/** Milliseconds before the deadline from which on no further row is begun: the answer still has to tell what became of the others. */
const answerTime = 1_500

const problem = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string().optional(),
  errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
})

const BulkResult = z
  .object({
    index: Count.meta({ description: "The row's place in the list, from 0." }),
    status: z.int().meta({ description: 'What the single operation would have been answered with. 503: repeat the row.' }),
    replayed: z.boolean().optional().meta({ description: 'The first answer to the key again.' }),
    body: z.union([StockLevels, StockLevel, ReservationBody]).optional(),
    problem: problem.optional().meta({ description: 'RFC 9457: why the row was not done.' }),
  })
  .meta({ id: 'StockBulkResult' })

export const bulk = stockOperation({
  id: 'stock-bulk',
  route: 'POST /v1/stock/bulk',
  summary: 'Many stock operations in one request',
  description:
    'Each row is a command of its own and succeeds or fails alone; rows are done in no promised order. With an Idempotency-Key every row has a key of its own, so a repetition, also after half of the rows, is answered row by row.',
  allow: ['stock:write'],
  idempotent: true,
  shed: true,
  deadline: 30_000,
  example: {
    rows: [
      { kind: 'receive', sku: '85123A', location: 'main', quantity: 120, reason: 'supplier' },
      { kind: 'set', sku: '71053', location: 'main', onHand: 12, ifMatch: 3 },
    ],
  },
  input: z.strictObject({ rows: z.array(z.unknown()).min(1).max(bulkLimit) }),
  describedInput: z.strictObject({ rows: z.array(BulkRow).min(1).max(bulkLimit) }),
  output: z
    .object({
      results: z.array(BulkResult),
      succeeded: Count,
      rejected: Count.meta({ description: 'Rows in which something must be changed.' }),
      failed: Count.meta({ description: 'Rows that can be repeated as they are.' }),
    })
    .meta({ id: 'StockBulkResults' }),
  async handle(deps, { rows }, call) {
    const results = await settleRows(deps, rows, call)
    const count = (from: number, below: number) => results.filter(({ status }) => status >= from && status < below).length
    const counts = `"succeeded":${count(0, 400)},"rejected":${count(400, 500)},"failed":${count(500, 600)}`
    return Reply.ofText(200, `{"results":[${results.map(({ text }) => text).join(',')}],${counts}}`)
  },
})

interface RowResult {
  readonly status: number
  readonly text: string
}

/** Keeps `rowsAtOnce` rows in the ledger until there is none left. */
async function settleRows(deps: Inventory, rows: readonly unknown[], call: Call): Promise<RowResult[]> {
  const results: RowResult[] = []
  const lastStart = (currentWork()?.deadline ?? Number.POSITIVE_INFINITY) - answerTime
  let next = 0
  async function work(): Promise<void> {
    while (next < rows.length) {
      const index = next++
      results[index] = await settleRow(deps, rows[index], index, call, lastStart)
    }
  }
  await Promise.all(Array.from({ length: Math.min(rowsAtOnce, rows.length) }, work))
  return results
}

async function settleRow(deps: Inventory, row: unknown, index: number, call: Call, lastStart: number): Promise<RowResult> {
  try {
    const asked = askedOf(row, index, call)
    const reply = await deps.bulkPlaces.hold(async () => {
      if (Date.now() > lastStart) throw new Transient('overloaded')
      const answer = await asked.operation.handle(deps as never, asked.input as never, asked.call)
      return answer instanceof Reply ? answer : Reply.of(asked.operation.status, answer)
    })
    const replayed = 'idempotency-replayed' in reply.headers ? ',"replayed":true' : ''
    return { status: reply.status, text: `{"index":${index},"status":${reply.status}${replayed},"body":${reply.text}}` }
  } catch (error) {
    const told = problemOf(error)
    return { status: told.status, text: `{"index":${index},"status":${told.status},"problem":${JSON.stringify(told)}}` }
  }
}
