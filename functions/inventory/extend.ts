import { z } from 'zod'
import { Id } from '../../shared/fields.ts'
import { stockOperation } from './function.ts'
import { Ttl } from './reserve.ts'
import { type Reservation, ReservationBody, reservationBody } from './stock.ts'

export const extend = stockOperation({
  id: 'reservation-extend',
  route: 'POST /v1/reservations/{id}/extend',
  summary: 'Extend a reservation',
  description: 'Its time ends `ttl` seconds from now, or later when it had more. One whose time is over stays over.',
  allow: ['stock:write'],
  idempotent: true,
  problems: ['not_found', 'reservation_not_open', 'reservation_expired'],
  example: { ttl: 900 },
  input: z.strictObject({ id: Id, ttl: Ttl.meta({ description: 'Seconds from now.' }) }),
  output: ReservationBody,
  handle({ ledger, now }, { id, ttl }, call) {
    const expiresAt = new Date(now().getTime() + ttl * 1_000)
    return ledger.execute({ kind: 'extend', id, expiresAt, actor: call.subject }, call, 200, ({ reservation }) =>
      reservationBody(reservation as Reservation),
    )
  },
})
