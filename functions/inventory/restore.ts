import { z } from 'zod'
import { Rejected } from '../../shared/errors.ts'
import { event } from '../../shared/function/declare.ts'

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
        output: z.unknown(),
      })
    try {
      await close('release')
    } catch (error) {
      if (!(error instanceof Rejected) || error.code !== 'reservation_not_open') throw error
      // Its stock has left the shelf already, or has come back already.
      await close('return')
    }
  },
})
