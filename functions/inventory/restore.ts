import { z } from 'zod'
import { Rejected } from '../../shared/errors.ts'
import { event } from '../../shared/function/declare.ts'

/** An answer that was remembered before reservations went in parts lacks these. */
const units = z.int().default(0)
const Closed = z.object({ lines: z.array(z.object({ committed: units, returned: units })) })

export const restoreStock = event({
  name: 'inventory-restore',
  summary: 'Give back the stock of an order that was cancelled',
  topic: 'orders',
  types: ['tidemark.order.cancelled.v1'],
  uses: ['call:inventory'],
  async handle({ call }, { data: { orderId, reservationId } }) {
    if (reservationId === null) return
    const close = (kind: 'release' | 'return') =>
      call.inventory.request({
        method: 'POST',
        path: `/v1/reservations/${reservationId}/${kind}`,
        idempotencyKey: `${kind}:${orderId}`,
        body: { reference: orderId },
        output: Closed,
      })
    try {
      const { lines } = await close('release')
      // Of an order that went in parts, the units that have left the shelf come back too.
      if (lines.some(({ committed, returned }) => committed > returned)) await close('return')
    } catch (error) {
      if (!(error instanceof Rejected) || error.code !== 'reservation_not_open') throw error
      // Its stock has left the shelf already, or has come back already.
      await close('return')
    }
  },
})
