import { z } from 'zod'
import { Rejected } from '../../shared/errors.ts'
import { Id } from '../../shared/fields.ts'
import { stockOperation } from './function.ts'
import { completed, type Reservation, ReservationBody, reservationBody } from './stock.ts'

export const readReservation = stockOperation({
  id: 'reservation-read',
  route: 'GET /v1/reservations/{id}',
  summary: 'Read a reservation',
  allow: ['stock:read', 'stock:write'],
  problems: ['not_found'],
  input: z.strictObject({ id: Id }),
  output: ReservationBody,
  async handle({ db, now }, { id }) {
    const [found] = await db.inventory.sql<Reservation[]>`
      select r.id, r.state, r.reference, r.owner, r.expires_at as "expiresAt",
        (select jsonb_agg(jsonb_build_object('sku', sku, 'location', location, 'quantity', quantity,
                                             'committed', committed, 'released', released, 'returned', returned) order by sku, location)
         from reservation_line where reservation_id = r.id) as lines
      from reservation r where r.id = ${id}`
    if (!found) throw new Rejected('not_found', `There is no reservation ${id}.`)
    // Between its end and the sweep a reservation is over already.
    const state = found.state === 'open' && found.expiresAt <= now() ? 'expired' : found.state
    return reservationBody({ ...found, state, lines: found.lines.map(line => completed(state, line)) })
  },
})
