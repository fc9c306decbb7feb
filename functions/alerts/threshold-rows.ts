import { z } from 'zod'
import { idempotently } from '../../shared/data/idempotency.ts'
import type { Tx } from '../../shared/data/postgres.ts'
import { Count, lineLimit } from '../../shared/fields.ts'
import { checkedInput } from '../../shared/function/operate.ts'
import { operation, Reply } from '../../shared/function/operation.ts'
import { problemOf } from '../../shared/function/problem.ts'
import { NewThreshold, type ThresholdFunction, writeThresholds } from './thresholds.ts'

const Result = z
  .object({
    index: Count.meta({ description: "The row's place in the list, from 0." }),
    status: z.int(),
    problem: z
      .looseObject({ code: z.string(), errors: z.array(z.object({ field: z.string(), message: z.string() })).optional() })
      .optional()
      .meta({ description: 'RFC 9457: why the row was not set.' }),
  })
  .meta({ id: 'ThresholdResult' })

export const setThresholdRows = operation<ThresholdFunction>()({
  id: 'thresholds-bulk',
  route: 'PUT /v1/thresholds/bulk',
  summary: 'Set low-stock thresholds, each for itself',
  description: 'Rows that fit are set together; one that does not is told its field and stops no other.',
  allow: ['alerts:write'],
  idempotent: true,
  example: { thresholds: [{ sku: '85123A', location: 'main', level: 12, resolveAbove: 20 }] },
  input: z.strictObject({ thresholds: z.array(z.unknown()).min(1).max(lineLimit) }),
  describedInput: z.strictObject({ thresholds: z.array(NewThreshold).min(1).max(lineLimit) }),
  output: z.object({ results: z.array(Result), succeeded: Count, rejected: Count }).meta({ id: 'ThresholdResults' }),
  handle: (deps, { thresholds }, call) =>
    idempotently(deps.db.alerts, call, async tx => {
      const results = await setFitting(tx, thresholds, deps, call.subject)
      const rejected = results.filter(({ problem }) => problem).length
      return Reply.of(200, { results, succeeded: results.length - rejected, rejected })
    }),
})

/** Sets the rows that fit, and says of each whether it does. */
export async function setFitting(
  tx: Tx,
  rows: readonly unknown[],
  deps: Pick<ThresholdFunction, 'newId' | 'now'>,
  actor: string,
): Promise<z.output<typeof Result>[]> {
  const judged = rows.map((row, index) => judge(row, index))
  const fitting = judged.flatMap(({ threshold }) => threshold ?? [])
  if (fitting.length > 0) await writeThresholds(tx, fitting, deps, actor)
  return judged.map(({ result }) => result)
}

function judge(row: unknown, index: number): { result: z.output<typeof Result>; threshold?: z.output<typeof NewThreshold> } {
  try {
    return { result: { index, status: 200 }, threshold: checkedInput({ input: NewThreshold }, row as object) }
  } catch (error) {
    const problem = problemOf(error)
    return { result: { index, status: problem.status, problem: { ...problem } as z.output<typeof Result>['problem'] } }
  }
}
