import { encodeCursor } from '../../shared/cursor.ts'

/**
 * Rows that one page looks at when no index leads to just those that are wanted. With it a page takes about ten milliseconds however
 * rare they are, and however large the table is; it may then be shorter than asked for while there is a next one.
 */
export const walkLimit = 10_000

/** A row that was looked at. `position` counts them from 1 in the order of the page. */
export interface Walked {
  readonly position: number
  readonly matches: boolean
}

/**
 * Makes a page of the rows that match and of the last one that was looked at, from which the next page goes on.
 * @param rows at most one more than the page holds, in their order
 * @param looked the number of rows after which the look ended
 */
export function walkedPage<R extends Walked, T>(
  rows: readonly R[],
  page: { limit: number; looked: number; keyOf: (row: R) => readonly string[]; itemOf: (row: R) => T },
): { items: T[]; next: string | null } {
  const { limit, looked, keyOf, itemOf } = page
  const items = rows.slice(0, limit).filter(({ matches }) => matches)
  const last = rows.at(-1)
  const from = rows.length > limit ? rows[limit - 1] : last?.position === looked ? last : undefined
  return { items: items.map(itemOf), next: from ? encodeCursor(keyOf(from)) : null }
}
