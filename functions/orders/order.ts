import { z } from 'zod'
import { Rejected } from '../../shared/errors.ts'
import type { NewEvent } from '../../shared/events/catalog.ts'
import { Count, Id, Location, Money, Quantity, Sku, Timestamp } from '../../shared/fields.ts'

/**
 * awaiting_stock → placed → confirmed, or → rejected when the stock turns out to be short;
 * every state before `rejected` can be cancelled.
 */
export const orderStates = ['awaiting_stock', 'placed', 'confirmed', 'cancelled', 'rejected'] as const
export type OrderState = (typeof orderStates)[number]
export const finalStates: readonly OrderState[] = ['confirmed', 'cancelled', 'rejected']

export interface Order {
  readonly id: string
  readonly state: OrderState
  readonly client: string
  readonly customer: string | null
  readonly reference: string | null
  readonly currency: string
  /** Minor units. */
  readonly total: number
  readonly paymentToken: string
  readonly reservationId: string | null
  readonly paymentId: string | null
  readonly reason: string | null
  readonly placedAt: Date
  readonly updatedAt: Date
  readonly lines: readonly OrderLine[]
}

export interface OrderLine {
  readonly sku: string
  readonly location: string
  readonly quantity: number
  /** Minor units. */
  readonly unitPrice: number
}

/** A change of an order and the events that say so: saved together or not at all. */
export interface Change {
  readonly next: Order
  readonly events: readonly NewEvent[]
}

export const total = (lines: readonly OrderLine[]): number => lines.reduce((sum, line) => sum + line.quantity * line.unitPrice, 0)

/** The order holds its stock: now it can be paid. */
export function place(order: Order, reservationId: string, now: Date): Change {
  const next: Order = { ...order, state: 'placed', reservationId, updatedAt: now }
  const { id: orderId, client, currency, paymentToken, reference, lines } = next
  const data = { orderId, client, reservationId, currency, total: next.total, paymentToken, reference, lines }
  return { next, events: [{ type: 'tidemark.order.placed.v1', data }] }
}

/** The stock was short after all. Nothing was promised, so nothing has to be undone. */
export const reject = (order: Order, reason: string, now: Date): Change => ({
  next: { ...order, state: 'rejected', reason, updatedAt: now },
  events: [],
})

/** Paid, and the stock has left the shelf. */
export function confirm(order: Order, paymentId: string, now: Date): Change {
  const next: Order = { ...order, state: 'confirmed', paymentId, updatedAt: now }
  const data = { orderId: next.id, paymentId, total: next.total, currency: next.currency }
  return { next, events: [{ type: 'tidemark.order.confirmed.v1', data }] }
}

/** Cancelling what is cancelled finds it done. */
export function cancel(order: Order, reason: string, now: Date): Change {
  if (order.state === 'cancelled') return { next: order, events: [] }
  if (order.state === 'rejected') throw new Rejected('order_not_cancellable', 'The order was rejected.', { state: order.state })
  const next: Order = { ...order, state: 'cancelled', reason, updatedAt: now }
  const data = { orderId: order.id, reservationId: order.reservationId, reason }
  return { next, events: [{ type: 'tidemark.order.cancelled.v1', data }] }
}

// What the API shows.

export const OrderLineBody = z.object({ sku: Sku, location: Location, quantity: Quantity, unitPrice: Money })

export const OrderBody = z
  .object({
    id: Id,
    state: z.enum(orderStates).meta({ description: 'awaiting_stock: taken while the stock service was away, decided later.' }),
    customer: z.string().nullable(),
    reference: z.string().nullable(),
    currency: z.string(),
    total: Count.meta({ description: 'Minor units.' }),
    reason: z.string().nullable().meta({ description: 'Why it was cancelled or rejected.' }),
    placedAt: Timestamp,
    updatedAt: Timestamp,
    lines: z.array(OrderLineBody),
  })
  .meta({ id: 'Order' })

export const orderBody = (order: Order): z.output<typeof OrderBody> => ({
  id: order.id,
  state: order.state,
  customer: order.customer,
  reference: order.reference,
  currency: order.currency,
  total: order.total,
  reason: order.reason,
  placedAt: order.placedAt.toISOString(),
  updatedAt: order.updatedAt.toISOString(),
  lines: order.lines.map(({ sku, location, quantity, unitPrice }) => ({ sku, location, quantity, unitPrice })),
})
