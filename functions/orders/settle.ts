import { Rejected } from '../../shared/errors.ts'
import { firstDelivery } from '../../shared/events/inbox.ts'
import { event } from '../../shared/function/declare.ts'
import { type Change, cancel, confirm, type Order } from './order.ts'
import { commitReservation } from './reservation.ts'
import { loadOrder, loadOrderForUpdate, saveOrder } from './store.ts'

export const settleOrder = event({
  name: 'orders-settle',
  summary: 'Confirm an order that was paid, cancel one that was not',
  topic: 'payments',
  types: ['tidemark.payment.succeeded.v1', 'tidemark.payment.failed.v1'],
  uses: ['db:orders', 'call:inventory'],
  scale: { max: 20, retention: 30 },
  async handle({ db, call, now, newId }, paid) {
    const order = await loadOrder(db.orders.sql, paid.data.orderId)
    if (order.state !== 'placed') return
    const settled = paid.type === 'tidemark.payment.failed.v1' ? declined : await committed()
    await db.orders.transaction(async tx => {
      if (!(await firstDelivery(tx, 'orders-settle', paid.id))) return
      const current = await loadOrderForUpdate(tx, order.id)
      // Cancelled while its stock left the shelf: the cancellation's own event brings it back.
      if (current.state === 'placed') await saveOrder(tx, newId, settled(current), 'orders-settle')
    })

    function declined(current: Order): Change {
      return cancel(current, 'payment_declined', now())
    }

    /** No lock is held while the stock service works: doing it twice finds it done. */
    async function committed(): Promise<(current: Order) => Change> {
      try {
        await commitReservation(call.inventory, order.id, order.reservationId as string)
        return current => confirm(current, paid.data.paymentId, now())
      } catch (error) {
        if (!(error instanceof Rejected) || !lostStock.has(error.code)) throw error
        return current => cancel(current, error.code, now())
      }
    }
  },
})

/** The stock is not held any more: the order cannot be served, and its payment is returned. */
const lostStock = new Set<string>(['reservation_expired', 'reservation_not_open', 'insufficient_stock'])
