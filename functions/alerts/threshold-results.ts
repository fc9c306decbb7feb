import { z } from 'zod'
import { Count } from '../../shared/fields.ts'
import { checkedInput } from '../../shared/function/operate.ts'
import { problemOf } from '../../shared/function/problem.ts'

/** What became of one row of many. */
export const RowResult = z
  .object({
    index: Count.meta({ description: "The row's place in the list, from 0." }),
    status: z.int(),
    problem: z
      .looseObject({ code: z.string(), errors: z.array(z.object({ field: z.string(), message: z.string() })).optional() })
      .optional()
      .meta({ description: 'RFC 9457: why the row was not done.' }),
  })
  .meta({ id: 'ThresholdResult' })
export type RowResult = z.output<typeof RowResult>

export const RowResults = z
  .object({ results: z.array(RowResult), succeeded: Count, rejected: Count })
  .meta({ id: 'ThresholdResults' })

export function rowResults(results: RowResult[]): z.output<typeof RowResults> {
  const rejected = results.filter(({ problem }) => problem).length
  return { results, succeeded: results.length - rejected, rejected }
}

export const refusedRow = (index: number, error: unknown): RowResult => {
  const problem = problemOf(error)
  return { index, status: problem.status, problem: { ...problem } as RowResult['problem'] }
}

/** Each row by itself: the rows that fit the schema, and what is wrong with each that does not. */
export function fittingRows<I extends z.ZodObject>(rows: readonly unknown[], schema: I) {
  const fitting: { index: number; row: z.output<I> }[] = []
  const results = rows.map((row, index): RowResult => {
    try {
      fitting.push({ index, row: checkedInput({ input: schema }, row as object) })
      return { index, status: 200 }
    } catch (error) {
      return refusedRow(index, error)
    }
  })
  return { fitting, results }
}
