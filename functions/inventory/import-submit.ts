import { z } from 'zod'
import type { RowError } from '../../shared/csv/import-record.ts'
import type { Chunk } from '../../shared/csv/read.ts'
import { Transient } from '../../shared/errors.ts'
import type { FunctionClient } from '../../shared/function/call.ts'
import { refusedColumn } from './import-columns.ts'

/** Tries of what the ledger could not take, with up to five seconds between them: some 25 s in all. */
const tries = 9

const BulkAnswer = z.object({
  results: z.array(
    z.object({
      index: z.int(),
      status: z.int(),
      problem: z
        .object({
          code: z.string(),
          title: z.string(),
          detail: z.string().optional(),
          errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
        })
        .optional(),
    }),
  ),
})
type BulkResult = z.output<typeof BulkAnswer>['results'][number]

/** Sends rows as one bulk call, and again those that the ledger could not take. */
export async function submitRows(inventory: FunctionClient, id: string, chunk: Chunk, signal: AbortSignal): Promise<RowError[]> {
  const refused: RowError[] = []
  let waiting = chunk.rows.map((row, index) => ({ number: chunk.first + index, row }))
  for (let attempt = 1; ; attempt++) {
    const sent = waiting
    let failure: unknown = new Transient('overloaded')
    try {
      const { results } = await inventory.request({
        method: 'POST',
        path: '/v1/stock/bulk',
        // The ledger's actor is this function: the reference leads from a movement to the import, which says by whom it was sent.
        body: { rows: sent.map(({ number, row }) => ({ reference: `import:${id}`, ...row, key: String(number) })) },
        idempotencyKey: `import:${id}`,
        output: BulkAnswer,
      })
      for (const result of results) {
        const number = sent[result.index]?.number ?? 0
        if (result.status >= 400 && result.status < 500) refused.push(rowError(number, result))
      }
      waiting = results.filter(({ status }) => status >= 500).flatMap(({ index }) => sent[index] ?? [])
      if (waiting.length === 0) return refused.sort((a, b) => a.row - b.row)
    } catch (error) {
      if (!(error instanceof Transient)) throw error
      failure = error
    }
    if (attempt === tries || signal.aborted) throw failure
    await new Promise(resolve => setTimeout(resolve, Math.min(100 * 2 ** attempt, 5_000)))
  }
}

function rowError(row: number, { problem }: BulkResult): RowError {
  const [first] = problem?.errors ?? []
  return {
    row,
    code: problem?.code ?? 'invalid_input',
    field: first ? refusedColumn(first.field) : null,
    message: first?.message ?? problem?.detail ?? problem?.title ?? '',
  }
}
