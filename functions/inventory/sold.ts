import type { Movement } from './decide.ts'

const sales = new Set<Movement['kind']>(['sell', 'commit', 'return'])

/** What a transaction's movements of one row sold, less what customers gave back, and the row's version before them. */
export interface Sold {
  readonly since: number
  readonly units: number
}

/** Counted from the movements at hand: no column of its own, so that a sale pays nothing for it. */
export function soldBy(movements: readonly Movement[]): Map<string, Sold> {
  const sold = new Map<string, Sold>()
  for (const { kind, onHandDelta, row } of movements) {
    const key = `${row.location} ${row.sku}`
    const { since, units } = sold.get(key) ?? { since: row.version - 1, units: 0 }
    sold.set(key, { since: Math.min(since, row.version - 1), units: sales.has(kind) ? units - onHandDelta : units })
  }
  return sold
}
