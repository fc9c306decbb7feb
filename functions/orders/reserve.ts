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
      const change = await reserveFor(call.inventory, waiting.id, waiting.lines).then(
        reservationId => (order: Order) => place(order, reservationId, now()),
        error => (order: Order) => short(order, error, now()),
      )
      await db.orders.transaction(async tx => {
        const order = await loadOrderForUpdate(tx, waiting.id)
        // Cancelled meanwhile: its reservation, if there is one, runs out by itself.
        if (order.state === 'awaiting_stock') await saveOrder(tx, newId, change(order), 'orders-reserve')
      })
    }
  },
})

function short(order: Order, error: unknown, now: Date): Change {
  if (error instanceof Rejected && error.code === 'insufficient_stock') return reject(order, 'insufficient_stock', now)
  throw error
}
