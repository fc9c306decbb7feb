export interface Place {
  readonly sku: string
  readonly location: string
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/**
 * The order in which everybody locks rows of a SKU and location: byte order, which is the order of a "C" collation. Who locks in
 * one order never waits in a circle.
 */
export const byPlace = (a: Place, b: Place): number => compare(a.sku, b.sku) || compare(a.location, b.location)
