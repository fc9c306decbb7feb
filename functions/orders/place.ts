import { createHash } from 'node:crypto'
import { z } from 'zod'
import { AnsweredMeanwhile, idempotently, remembered } from '../../shared/data/idempotency.ts'
import { Transient } from '../../shared/errors.ts'
import { DefaultedLocation, lines, Money, Quantity, Reference, Sku } from '../../shared/fields.ts'
import { http } from '../../shared/function/declare.ts'
import { type Call, Reply } from '../../shared/function/operation.ts'
import { type Change, type Order, OrderBody, orderBody, place, total } from './order.ts'
import { reserveFor } from './reservation.ts'
import { insertOrder } from './store.ts'

const NewOrder = z.strictObject({
  lines: lines(z.strictObject({ sku: Sku, location: DefaultedLocation, quantity: Quantity, unitPrice: Money })),
  currency: z.string().regex(/^[A-Z]{3}$/, 'an ISO 4217 code, like GBP'),
  customer: z
    .string()
    .trim()
    .min(1)
    .max(100)
    .optional()
    .meta({ description: 'Your id for the customer; not a name or an address.' }),
  reference: Reference.optional(),
  payment: z.strictObject({
    token: z
      .string()
      .min(1)
      .max(200)
      .meta({ description: "The gateway's token for the means of payment; never a card number.", example: 'tok_visa' }),
  }),
})

export const placeOrder = http({
  name: 'orders-place',
  route: 'POST /v1/orders',
  summary: 'Place an order',
  description: 'Reserves the stock of all lines or of none, then takes the payment behind the answer: follow the state.',
  allow: ['orders:write'],
  uses: ['db:orders', 'call:inventory'],
  scale: { max: 20, scaleDownDelay: 15, retention: 30 },
  idempotent: true,
  status: 201,
  also: { 202: 'Taken as awaiting_stock: the stock service is away, and decides when it is back.' },
  problems: ['insufficient_stock'],
  example: {
    lines: [{ sku: '85123A', location: 'main', quantity: 6, unitPrice: 255 }],
    currency: 'GBP',
    customer: '17850',
    reference: 'INV-536365',
    payment: { token: 'tok_visa' },
  },
  input: NewOrder,
  output: OrderBody,
  async handle({ db, call, now, newId }, input, caller) {
    const known = await remembered<z.output<typeof OrderBody>>(db.orders.sql, caller)
    if (known) return known
    const order = newOrder(input, caller, now(), newId)
    const change = await reserveFor(call.inventory, order.id, order.lines).then(
      reservationId => place(order, reservationId, now()),
      error => withoutStockService(order, error),
    )
    return idempotently(db.orders, caller, async tx => {
      if (!(await insertOrder(tx, newId, change))) throw new AnsweredMeanwhile()
      return Reply.of(change.next.state === 'placed' ? 201 : 202, orderBody(change.next), { location: `/v1/orders/${order.id}` })
    })
  },
})

function newOrder(input: z.output<typeof NewOrder>, caller: Call, now: Date, newId: () => string): Order {
  return {
    id: caller.idempotencyKey === undefined ? newId() : orderIdOf(caller.idempotencyKey),
    state: 'awaiting_stock',
    client: caller.client,
    customer: input.customer ?? null,
    reference: input.reference ?? null,
    currency: input.currency,
    total: total(input.lines),
    paymentToken: input.payment.token,
    reservationId: null,
    paymentId: null,
    reason: null,
    placedAt: now,
    updatedAt: now,
    lines: input.lines,
  }
}

/**
 * A repeated request names the same order, so that it finds the reservation that a try before it made and lost: UUIDv8 over the key.
 * The other way, a row of its own before the reservation, costs every order one more fsync.
 */
export function orderIdOf(key: string): string {
  const hash = createHash('sha256').update(`order ${key}`).digest()
  hash[6] = ((hash[6] as number) & 0x0f) | 0x80
  hash[8] = ((hash[8] as number) & 0x3f) | 0x80
  const hex = hash.toString('hex', 0, 16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** Degraded, not down: the order is taken, and `orders-reserve` asks for its stock until there is an answer. */
function withoutStockService(order: Order, error: unknown): Change {
  if (!(error instanceof Transient)) throw error
  return { next: order, events: [] }
}
