import { Rejected } from '../../shared/errors.ts'
import { schedule } from '../../shared/function/declare.ts'
import { type Change, type Order, place, reject } from './order.ts'
import { reserveFor } from './reservation.ts'
import { listAwaitingStock, loadOrderForUpdate, saveOrder } from './store.ts'

/** Orders a round takes up; the rest wait for the next minute. */
const roundLimit = 200

export const reserveOrders = schedule({
  name: 'orders-reserve',
  summary: 'Reserve the stock of orders that were taken while the stock service was away',
  cron: '* * * * *',
  uses: ['db:orders', 'call:inventory'],
  scale: { max: 1 },
  async handle({ db, call, now, newId }) {
    for (const waiting of await listAwaitingStock(db.orders.sql, roundLimit)) {
      // Transient: the stock service is still away. The round ends, and the next one begins with the same order.
      const change = await reserveFor(call.inventory, waiting.id, waiting.lines).then(
        reservationId => (order: Order) => place(order, reservationId, now()),
        error => (order: Order) => refused(order, error, now()),
      )
      await db.orders.transaction(async tx => {
        const order = await loadOrderForUpdate(tx, waiting.id)
        // Cancelled meanwhile: its reservation, if there is one, runs out by itself.
        if (order.state === 'awaiting_stock') await saveOrder(tx, newId, change(order), 'orders-reserve')
      })
    }
  },
})

/** A refusal of any kind is final: an order that can never be served must not stand before the others. */
function refused(order: Order, error: unknown, now: Date): Change {
  if (error instanceof Rejected) return reject(order, error.code, now)
  throw error
}
