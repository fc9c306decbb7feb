import { z } from 'zod'
import { Reference } from '../../shared/fields.ts'
import { stockOperation } from './function.ts'
import { QuantityLines, type Reservation, ReservationBody, reservationBody } from './stock.ts'

export const reserve = stockOperation({
  id: 'stock-reserve',
  route: 'POST /v1/reservations',
  summary: 'Reserve stock',
  description: 'Promises units to somebody until the reservation is committed, released or expires. All lines or none.',
  allow: ['stock:write'],
  idempotent: true,
  status: 201,
  problems: ['insufficient_stock'],
  example: { lines: [{ sku: '85123A', location: 'main', quantity: 6 }], ttl: 900, reference: 'INV-536365' },
  input: z.strictObject({
    lines: QuantityLines,
    ttl: z
      .int()
      .min(1)
      .max(7 * 24 * 3600)
      .default(900)
      .meta({ description: 'Seconds until the reservation expires.' }),
    reference: Reference.optional(),
  }),
  output: ReservationBody,
  handle({ ledger, now, newId }, { lines, ttl, reference }, call) {
    const expiresAt = new Date(now().getTime() + ttl * 1_000)
    return ledger.execute(
      { kind: 'reserve', id: newId(), lines, expiresAt, reference, actor: call.subject },
      call,
      201,
      ({ reservation }) => reservationBody(reservation as Reservation),
    )
  },
})
