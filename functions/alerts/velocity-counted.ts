/**
 * Which versions of a stock row have had their sales counted: all up to `through`, and those of the ranges `ahead` (from, to, from, to …)
 * that came before the ones they follow. So each change counts once, whatever is delivered twice, late or in whatever order.
 */
export interface Counted {
  readonly through: number
  readonly ahead: readonly number[]
}

export const nothingCounted: Counted = { through: 0, ahead: [] }

/**
 * Ranges that are kept apart at most. With one more the oldest gap is given up: what was never delivered (a dead letter that nobody
 * replays, stock that was changed before this began to count) is not waited for for ever, and does not count if it comes at last.
 */
const mostAhead = 32

/** Counts the versions since + 1 to version. Undefined when they are counted already. */
export function count({ through, ahead }: Counted, since: number, version: number): Counted | undefined {
  if (since < through) return undefined
  const ranges: [number, number][] = []
  for (let index = 0; index < ahead.length; index += 2) ranges.push([ahead[index] as number, ahead[index + 1] as number])
  if (ranges.some(([from, to]) => since + 1 <= to && from <= version)) return undefined
  ranges.push([since + 1, version])
  ranges.sort(([one], [other]) => one - other)
  return joined(through, ranges)
}

function joined(through: number, ranges: readonly [number, number][]): Counted {
  const apart: [number, number][] = [[Number.NEGATIVE_INFINITY, through]]
  for (const [from, to] of ranges) {
    const last = apart.at(-1) as [number, number]
    if (from === last[1] + 1) last[1] = to
    else apart.push([from, to])
  }
  const kept = apart.slice(apart.length > mostAhead + 1 ? 1 : 0)
  const [[, counted], ...rest] = kept as [[number, number], ...[number, number][]]
  return { through: counted, ahead: rest.flat() }
}
