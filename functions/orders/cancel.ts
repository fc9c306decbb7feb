import { z } from 'zod'
import { idempotently } from '../../shared/data/idempotency.ts'
import { Id } from '../../shared/fields.ts'
import { http } from '../../shared/function/declare.ts'
import { Reply } from '../../shared/function/operation.ts'
import { cancel, OrderBody, orderBody } from './order.ts'
import { loadOrderForUpdate, saveOrder } from './store.ts'

export const cancelOrder = http({
  name: 'orders-cancel',
  route: 'POST /v1/orders/{id}/cancel',
  summary: 'Cancel an order',
  description: 'Its stock goes back and its payment is returned, behind the answer. Cancelling again finds it done.',
  allow: ['orders:write'],
  uses: ['db:orders'],
  scale: { max: 20 },
  idempotent: true,
  problems: ['not_found', 'order_not_cancellable'],
  example: { reason: 'ordered twice' },
  input: z.strictObject({ id: Id, reason: z.string().trim().min(1).max(200).default('cancelled by the client') }),
  output: OrderBody,
  handle: ({ db, now, newId }, { id, reason }, caller) =>
    idempotently(db.orders, caller, async tx => {
      const order = await loadOrderForUpdate(tx, id)
      const change = cancel(order, reason, now())
      if (change.next !== order) await saveOrder(tx, newId, change, caller.subject)
      return Reply.of(200, orderBody(change.next))
    }),
})
