import { z } from 'zod'
import { Id, Reference } from '../../shared/fields.ts'
import type { OperationDefinition } from '../../shared/function/operation.ts'
import { type Inventory, stockOperation } from './function.ts'
import { QuantityLines, type Reservation, ReservationBody, reservationBody } from './stock.ts'

const input = z.strictObject({ id: Id, reference: Reference.optional() })

/** A part that ends when all is gone names units of it. */
const inputOfPart = input.extend({
  lines: QuantityLines.optional().meta({
    description: 'Only these units, up to what is left of each line. All that is left when absent.',
  }),
})

type Texts = Pick<OperationDefinition<Inventory, typeof input, typeof ReservationBody>, 'summary' | 'description' | 'problems'>

const closing = (kind: 'commit' | 'release' | 'return', texts: Required<Texts>) =>
  stockOperation({
    id: `reservation-${kind}`,
    route: `POST /v1/reservations/{id}/${kind}`,
    ...texts,
    problems: ['not_found', 'exceeds_outstanding', ...texts.problems],
    allow: ['stock:write'],
    idempotent: true,
    example: { reference: 'INV-536365' },
    input: inputOfPart,
    output: ReservationBody,
    handle: ({ ledger }, { id, lines, reference }, call) =>
      ledger.execute({ kind, id, lines, reference, actor: call.subject }, call, 200, ({ reservation }) =>
        reservationBody(reservation as Reservation),
      ),
  })

export const commit = closing('commit', {
  summary: 'Commit a reservation',
  description:
    'The units leave the shelf, all that are left or a part; the rest stays held. Doing the whole again finds it done, a part needs its key.',
  problems: ['reservation_not_open', 'reservation_expired', 'insufficient_stock'],
})

export const release = closing('release', {
  summary: 'Release a reservation',
  description:
    'The units can be promised to somebody else, all that are left or a part. Doing the whole again, or after it expired, finds it done.',
  problems: ['reservation_not_open'],
})

export const giveBack = closing('return', {
  summary: 'Return what a reservation took',
  description: 'Puts committed units back on the shelf, all or a part. Doing the whole again finds it done.',
  problems: ['reservation_not_open'],
})

export const expire = stockOperation({
  id: 'reservation-expire',
  route: 'POST /v1/reservations/{id}/expire',
  summary: 'Expire a reservation',
  description: 'Gives the units of a reservation back whose time is over. One that is not over, or is closed, stays as it is.',
  problems: ['not_found'],
  allow: ['stock:write'],
  idempotent: true,
  example: { reference: 'INV-536365' },
  input,
  output: ReservationBody,
  handle: ({ ledger }, { id, reference }, call) =>
    ledger.execute({ kind: 'expire', id, reference, actor: call.subject }, call, 200, ({ reservation }) =>
      reservationBody(reservation as Reservation),
    ),
})
