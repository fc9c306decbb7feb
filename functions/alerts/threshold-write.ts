import type { Tx } from '../../shared/data/postgres.ts'
import { evaluateAgain } from './evaluation.ts'
import { rejudge } from './threshold-rejudging.ts'
import { deleteThresholds, storeThresholds } from './threshold-store.ts'
import {
  type GivenThreshold,
  keyText,
  scopeOf,
  storedThreshold,
  type ThresholdFunction,
  type ThresholdKey,
  thresholdKey,
} from './thresholds.ts'

type Clock = Pick<ThresholdFunction, 'newId' | 'now'>

/**
 * Sets thresholds, and judges the stock that is known by them: of a place at once, of whatever inherits a wider one soon after.
 * The last one counts where one is named twice.
 * @returns how many there were
 */
export async function writeThresholds(tx: Tx, given: readonly GivenThreshold[], clock: Clock, actor: string): Promise<number> {
  const rows = [...new Map(given.map(one => [keyText(thresholdKey(one)), storedThreshold(one)])).values()]
  const at = clock.now()
  await judgeAgain(tx, await storeThresholds(tx, rows, { actor, at, newId: clock.newId }), clock.newId, at)
  return rows.length
}

/** @returns those that were there */
export async function removeThresholds(
  tx: Tx,
  keys: readonly ThresholdKey[],
  clock: Clock,
  actor: string,
): Promise<ThresholdKey[]> {
  const unique = [...new Map(keys.map(key => [keyText(key), key])).values()]
  const at = clock.now()
  const removed = await deleteThresholds(tx, unique, { actor, at, newId: clock.newId })
  await judgeAgain(tx, removed, clock.newId, at)
  return removed
}

async function judgeAgain(tx: Tx, changed: readonly ThresholdKey[], newId: () => string, at: Date): Promise<void> {
  const of = Map.groupBy(changed, scopeOf)
  await rejudge(
    tx,
    {
      skus: (of.get('sku') ?? []).map(({ sku }) => sku),
      categories: (of.get('category') ?? []).map(({ category }) => category),
      locations: (of.get('location') ?? []).map(({ location }) => location),
      everything: of.has('default'),
    },
    newId,
    at,
  )
  await evaluateAgain(tx, of.get('place') ?? [], newId, at)
}
