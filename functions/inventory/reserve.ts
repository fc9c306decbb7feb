import { z } from 'zod'
import { Location, lines, Quantity, Reference, Sku } from '../../shared/fields.ts'
import { stockOperation } from './function.ts'
import { strategies } from './sources.ts'
import { type Reservation, ReservationBody, reservationBody } from './stock.ts'

/** Seconds until a reservation expires. */
export const Ttl = z
  .int()
  .min(1)
  .max(7 * 24 * 3600)

/** Whose hold it is: a basket, a session, a customer. */
export const Owner = z.string().trim().min(1).max(100).meta({
  description: "Whose hold it is. Its owner's older holds of the same SKUs are given back for it.",
  example: 'basket-7f3a',
})

export const reserve = stockOperation({
  id: 'stock-reserve',
  route: 'POST /v1/reservations',
  summary: 'Reserve stock',
  description:
    'Promises units to somebody until the reservation is committed, released or expires. All lines or none, unless a part is wanted. A line without a location is taken from `main`, or with a `strategy` from the active locations that it chooses; the answer names them.',
  allow: ['stock:write'],
  idempotent: true,
  shed: true,
  status: 201,
  problems: ['insufficient_stock'],
  example: { lines: [{ sku: '85123A', location: 'main', quantity: 6 }], ttl: 900, reference: 'INV-536365' },
  input: z.strictObject({
    lines: lines(z.strictObject({ sku: Sku, location: Location.optional(), quantity: Quantity })),
    ttl: Ttl.default(900).meta({ description: 'Seconds until the reservation expires.' }),
    reference: Reference.optional(),
    owner: Owner.optional(),
    partial: z.boolean().default(false).meta({
      description: 'Take of each line what there is, and say what is missing. Refused only when there is nothing at all.',
    }),
    strategy: z.enum(strategies).optional().meta({
      description: 'How locations are chosen for the lines without one: in their order, as few as possible, or where most lies.',
    }),
  }),
  output: ReservationBody.extend({
    missing: z
      .array(z.object({ sku: Sku, location: Location.optional(), quantity: Quantity }))
      .optional()
      .meta({ description: 'What a partial reservation could not take.' }),
  }).meta({ id: 'Reserved' }),
  handle({ ledger, now, newId }, { lines: given, ttl, reference, owner, partial, strategy }, call) {
    const command = {
      kind: 'reserve',
      id: newId(),
      lines: strategy ? given : given.map(line => ({ ...line, location: line.location ?? 'main' })),
      expiresAt: new Date(now().getTime() + ttl * 1_000),
      ...{ reference, owner, partial, strategy, actor: call.subject },
    } as const
    return ledger.execute(command, call, 201, ({ reservation, missing }) => ({
      ...reservationBody(reservation as Reservation),
      ...(missing && { missing: [...missing] }),
    }))
  },
})
