import { z } from 'zod'
import type { Place } from '../../shared/data/locking-order.ts'
import { Rejected, Transient } from '../../shared/errors.ts'
import type { FunctionClient } from '../../shared/function/call.ts'

/** Units: the shelf of the canary when it is well, its level, and where an alert of it ends. */
const full = 10
const level = 5
const resolveAbove = 6

/** Milliseconds between two looks: what the measured time may be too long by. */
const pause = 100

export interface CanaryCalls {
  readonly inventory: FunctionClient
  readonly 'alerts-set-thresholds': FunctionClient
  readonly 'alerts-read': FunctionClient
  readonly 'notifications-read': FunctionClient
}

export interface Canary extends Place {
  readonly call: CanaryCalls
  readonly newId: () => string
  /** Milliseconds for each: to make the canary well, and from its breach to a delivery. */
  readonly deadline: number
}

export type Stage = 'prepare' | 'breach' | 'alert' | 'delivery' | 'done'

export interface CanaryRun {
  /** How far it came; `done` is a delivery. */
  readonly stage: Stage
  /** From the breach to the delivery, or as long as was waited for it; 0 where there was no breach. */
  readonly seconds: number
  /** Why it did not arrive. */
  readonly cause?: string
}

/**
 * Empties the canary's shelf and waits until its alert was delivered. It begins by making the canary well, so that whatever a run that
 * was killed has left is repaired, and ends so whatever has happened.
 */
export async function runCanary(canary: Canary): Promise<CanaryRun> {
  let stage: Stage = 'prepare'
  let start = Date.now()
  try {
    await setThreshold(canary)
    await setStock(canary, full)
    await until(canary, 'the alert of an earlier run does not end', async () => ((await standing(canary)) ? undefined : true))
    stage = 'breach'
    start = Date.now()
    await setStock(canary, 0)
    stage = 'alert'
    const alert = await until({ deadline: left(canary, start) }, 'no alert was raised', () => standing(canary))
    if (alert.muted !== null) throw new Error(`the alert is muted by ${alert.muted}`)
    stage = 'delivery'
    await until({ deadline: left(canary, start) }, 'nothing was delivered', () => delivered(canary, alert.id))
    return { stage: 'done', seconds: (Date.now() - start) / 1_000 }
  } catch (error) {
    return { stage, seconds: stage === 'prepare' ? 0 : (Date.now() - start) / 1_000, cause: (error as Error).message }
  } finally {
    // The next run repairs what this one cannot.
    await setStock(canary, full).catch(() => {})
  }
}

const left = ({ deadline }: Canary, start: number): number => start + deadline - Date.now()

/** Asks until there is an answer; a function that is away for a moment is asked again. */
async function until<T>({ deadline }: { deadline: number }, what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + deadline
  let last = ''
  for (;;) {
    const answer = await ask().catch(error => {
      if (!(error instanceof Transient)) throw error
      last = `: ${error.message}`
    })
    if (answer !== undefined) return answer
    if (Date.now() >= end) throw new Error(`${what} within ${Math.round(deadline / 1_000)} s${last}`)
    await new Promise(resolve => setTimeout(resolve, pause))
  }
}

const placeQuery = ({ sku, location }: Place): string => `sku=${encodeURIComponent(sku)}&location=${location}`

/** Only where it is not so already: each change of a threshold is kept for ever. */
async function setThreshold({ call, newId, sku, location }: Canary): Promise<void> {
  const { items } = await call['alerts-read'].request({
    method: 'GET',
    path: `/v1/thresholds?${placeQuery({ sku, location })}`,
    output: z.object({ items: z.array(z.looseObject({ level: z.int().nullish() })) }),
  })
  if (items.some(item => item.level === level)) return
  await call['alerts-set-thresholds'].request({
    method: 'PUT',
    path: '/v1/thresholds',
    body: { thresholds: [{ sku, location, level, resolveAbove }] },
    idempotencyKey: newId(),
    output: z.looseObject({}),
  })
}

const Levels = z.object({ levels: z.array(z.looseObject({ onHand: z.int() })).min(1) })

/** The answer of a change is the stock as it is; what is read before it may be older. */
async function setStock(canary: Canary, units: number): Promise<void> {
  let onHand = await readStock(canary)
  for (let time = 0; onHand !== units; time++) {
    if (time === 3) throw new Error(`somebody else changes the stock of ${canary.sku} at ${canary.location}`)
    onHand = await changeStock(canary, units - (onHand ?? 0), onHand !== undefined)
  }
}

async function readStock({ call, sku, location }: Canary): Promise<number | undefined> {
  try {
    const path = `/v1/stock/${encodeURIComponent(sku)}/${location}`
    return (await call.inventory.request({ method: 'GET', path, output: z.looseObject({ onHand: z.int() }) })).onHand
  } catch (error) {
    if (error instanceof Rejected && error.code === 'not_found') return undefined
    throw error
  }
}

async function changeStock({ call, newId, sku, location }: Canary, delta: number, isKnown: boolean): Promise<number> {
  const { levels } = await call.inventory.request({
    method: 'POST',
    idempotencyKey: newId(),
    output: Levels,
    ...(isKnown
      ? { path: '/v1/stock/adjustments', body: { lines: [{ sku, location, delta }], reason: 'other', reference: 'CANARY' } }
      : {
          path: '/v1/stock/receipts',
          body: { lines: [{ sku, location, quantity: delta }], reason: 'other', reference: 'CANARY' },
        }),
  })
  return (levels[0] as { onHand: number }).onHand
}

async function standing({ call, ...place }: Canary): Promise<{ id: string; muted: string | null } | undefined> {
  const { items } = await call['alerts-read'].request({
    method: 'GET',
    path: `/v1/alerts?${placeQuery(place)}&state=active&limit=1`,
    output: z.object({ items: z.array(z.looseObject({ id: z.string(), muted: z.string().nullable() })) }),
  })
  return items[0]
}

/** `sent`: a provider has taken it. Not every provider says more. */
async function delivered({ call }: Canary, alertId: string): Promise<true | undefined> {
  const { items } = await call['notifications-read'].request({
    method: 'GET',
    path: `/v1/notifications?alertId=${alertId}&limit=100`,
    output: z.object({ items: z.array(z.looseObject({ state: z.string() })) }),
  })
  return items.some(({ state }) => state === 'sent' || state === 'delivered') ? true : undefined
}
