import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { call } from './cluster.ts'

export interface Shopping {
  /** Requests that were answered as they should. */
  readonly served: () => number
  /** What was answered otherwise, or not at all. Nothing is tried again. */
  readonly failed: () => readonly string[]
  /** Ends after the requests in flight. */
  stop(): Promise<void>
}

/**
 * Customers who look at stock and order, at a steady rate, until they are stopped or `seconds` have passed. They are less patient than
 * any client should be: a request that fails once has failed.
 */
export function shopping(options: { sku: string; perSecond: number; seconds: number; orders?: boolean }): Shopping {
  const { sku, perSecond, seconds, orders = true } = options
  const failed: string[] = []
  let served = 0
  let stopped = false
  const inFlight = new Set<Promise<void>>()
  const end = Date.now() + seconds * 1_000

  async function one(number: number): Promise<void> {
    const [route, request, expected] =
      orders && number % 3 === 0
        ? (['POST /v1/orders', { key: randomUUID(), body: orderOf(sku) }, 201] as const)
        : ([`GET /v1/stock/${sku}/main`, {}, 200] as const)
    try {
      const { status, text } = await call(route, { ...request, timeout: 30_000 })
      if (status === expected) served++
      else failed.push(`${route}: ${status} ${text.slice(0, 200)}`)
    } catch (error) {
      failed.push(`${route}: ${(error as Error).message} ${((error as Error).cause as Error | undefined)?.message ?? ''}`)
    }
  }

  const done = (async () => {
    for (let number = 0; !stopped && Date.now() < end; number++) {
      const request = one(number)
      inFlight.add(request)
      void request.finally(() => inFlight.delete(request))
      await wait(1_000 / perSecond)
    }
    await Promise.all(inFlight)
  })()
  return {
    served: () => served,
    failed: () => failed,
    async stop() {
      stopped = true
      await done
    },
  }
}

export const orderOf = (sku: string) => ({
  lines: [{ sku, quantity: 1, unitPrice: 255 }],
  currency: 'GBP',
  payment: { token: 'tok_visa' },
})
