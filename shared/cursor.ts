import type { z } from 'zod'
import { Rejected } from './errors.ts'

/** A cursor is the sort key of a page's last item, opaque to the client. */
export const encodeCursor = (key: readonly string[]): string => Buffer.from(JSON.stringify(key)).toString('base64url')

/** @param key what the sort key consists of: a cursor is text from outside, and its parts go into a query */
export function decodeCursor<Key>(cursor: string | undefined, key: z.ZodType<Key>): Key | undefined {
  if (cursor === undefined) return undefined
  try {
    return key.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString()))
  } catch {
    // Whatever it was, it is not one of ours.
  }
  throw new Rejected('invalid_input', 'cursor: not one that was given out.', {
    errors: [{ field: 'cursor', message: 'not one that was given out' }],
  })
}

/** One more item than the page holds was read: its presence says that there is a next page. */
export function pageOf<T>(
  rows: readonly T[],
  limit: number,
  keyOf: (item: T) => readonly string[],
): { items: T[]; next: string | null } {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items, next: rows.length > limit && last !== undefined ? encodeCursor(keyOf(last)) : null }
}
