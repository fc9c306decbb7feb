import { z } from 'zod'
import { Id } from '../../shared/fields.ts'
import type { FunctionClient } from '../../shared/function/call.ts'
import type { OrderLine } from './order.ts'

/** Seconds an order may wait for its payment before its stock is given to others. */
const holdSeconds = 3_600

const Reserved = z.object({ id: Id })

/** Holds the stock of an order. The order's id is the key: asked again, the stock service gives the same reservation. */
export async function reserveFor(inventory: FunctionClient, orderId: string, lines: readonly OrderLine[]): Promise<string> {
  const { id } = await inventory.request({
    method: 'POST',
    path: '/v1/reservations',
    idempotencyKey: `order:${orderId}`,
    body: {
      lines: lines.map(({ sku, location, quantity }) => ({ sku, location, quantity })),
      ttl: holdSeconds,
      reference: orderId,
    },
    output: Reserved,
  })
  return id
}

/** The stock of an order leaves the shelf. Done again, it is found done. */
export async function commitReservation(inventory: FunctionClient, orderId: string, reservationId: string): Promise<void> {
  await inventory.request({
    method: 'POST',
    path: `/v1/reservations/${reservationId}/commit`,
    idempotencyKey: `commit:${orderId}`,
    body: { reference: orderId },
    output: z.unknown(),
  })
}
