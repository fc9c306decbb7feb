import { z } from 'zod'
import { Id, Reference } from '../../shared/fields.ts'
import { stockOperation } from './function.ts'
import { type Reservation, ReservationBody, reservationBody } from './stock.ts'

const closing = (
  kind: 'commit' | 'release' | 'return' | 'expire',
  texts: {
    summary: string
    description: string
    problems: ('reservation_not_open' | 'reservation_expired' | 'insufficient_stock')[]
  },
) =>
  stockOperation({
    id: `reservation-${kind}`,
    route: `POST /v1/reservations/{id}/${kind}`,
    ...texts,
    problems: ['not_found', ...texts.problems],
    allow: ['stock:write'],
    idempotent: true,
    example: { reference: 'INV-536365' },
    input: z.strictObject({ id: Id, reference: Reference.optional() }),
    output: ReservationBody,
    handle: ({ ledger }, { id, reference }, call) =>
      ledger.execute({ kind, id, reference, actor: call.subject }, call, 200, ({ reservation }) =>
        reservationBody(reservation as Reservation),
      ),
  })

export const commit = closing('commit', {
  summary: 'Commit a reservation',
  description: 'The units leave the shelf. Doing it again finds it done.',
  problems: ['reservation_not_open', 'reservation_expired', 'insufficient_stock'],
})

export const release = closing('release', {
  summary: 'Release a reservation',
  description: 'The units can be promised to somebody else. Doing it again, or after it expired, finds it done.',
  problems: ['reservation_not_open'],
})

export const giveBack = closing('return', {
  summary: 'Return what a reservation took',
  description: 'Puts the units of a committed reservation back on the shelf. Doing it again finds it done.',
  problems: ['reservation_not_open'],
})

export const expire = closing('expire', {
  summary: 'Expire a reservation',
  description: 'Gives the units of a reservation back whose time is over. One that is not over, or is closed, stays as it is.',
  problems: [],
})
