import type { SkuQuantity } from './transfer.ts'

/** How the locations are chosen that a line without one is taken from. */
export const strategies = ['priority', 'fewest-splits', 'most-stock'] as const
export type Strategy = (typeof strategies)[number]

export interface SourceLocation {
  readonly location: string
  /** The lower, the earlier. */
  readonly priority: number
}

export interface Source extends SourceLocation {
  readonly sku: string
  readonly available: number
}

export interface Sourced {
  readonly lines: readonly { sku: string; location: string; quantity: number }[]
  readonly missing: readonly SkuQuantity[]
}

/**
 * Chooses where each SKU is taken from.
 *
 * `priority` empties the locations in their order. `most-stock` begins where most lies. `fewest-splits` begins with the location that
 * covers most units of the whole order, so one that has everything is alone: for a single SKU that is the least number of locations
 * there is; for several it is the greedy cover, because the exact one is not computable in time.
 *
 * @param wanted each SKU once
 */
export function chooseSources(wanted: readonly SkuQuantity[], sources: readonly Source[], strategy: Strategy): Sourced {
  const open = new Map(wanted.map(({ sku, quantity }) => [sku, quantity]))
  const lines: { sku: string; location: string; quantity: number }[] = []
  const take = ({ sku, location, available }: Source) => {
    const quantity = Math.min(available, open.get(sku) ?? 0)
    if (quantity <= 0) return
    open.set(sku, (open.get(sku) ?? 0) - quantity)
    lines.push({ sku, location, quantity })
  }
  if (strategy === 'fewest-splits') coverGreedily(sources, open, take)
  else for (const source of [...sources].sort(strategy === 'priority' ? byPriority : byStock)) take(source)
  return {
    lines,
    missing: [...open].filter(([, quantity]) => quantity > 0).map(([sku, quantity]) => ({ sku, quantity })),
  }
}

const byPriority = (a: SourceLocation, b: SourceLocation): number =>
  a.priority - b.priority || (a.location < b.location ? -1 : a.location > b.location ? 1 : 0)
const byStock = (a: Source, b: Source): number => b.available - a.available || byPriority(a, b)

function coverGreedily(sources: readonly Source[], open: ReadonlyMap<string, number>, take: (source: Source) => void): void {
  const left = new Map(Map.groupBy([...sources].sort(byPriority), source => source.location))
  const covered = (some: readonly Source[]) =>
    some.reduce((sum, { sku, available }) => sum + Math.max(Math.min(available, open.get(sku) ?? 0), 0), 0)
  for (;;) {
    let best: { location: string; units: number } | undefined
    for (const [location, some] of left) {
      const units = covered(some)
      if (units > (best?.units ?? 0)) best = { location, units }
    }
    if (!best) return
    for (const source of left.get(best.location) ?? []) take(source)
    left.delete(best.location)
  }
}
