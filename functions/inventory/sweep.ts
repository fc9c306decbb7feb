import { z } from 'zod'
import { schedule } from '../../shared/function/declare.ts'

/** Reservations closed and old rows deleted by one round; a longer list waits for the next minute. */
const roundLimit = 500

export const sweepInventory = schedule({
  name: 'inventory-sweep',
  summary: 'Close reservations whose time is over',
  cron: '* * * * *',
  uses: ['db:inventory', 'call:inventory'],
  scale: { max: 1 },
  async handle({ db, call }) {
    const expired = await db.inventory.sql<{ id: string }[]>`
      select id from reservation where state = 'open' and expires_at <= now() order by expires_at limit ${roundLimit}`
    // The ledger decides again: one that was committed meanwhile stays as it is.
    for (const { id } of expired) {
      await call.inventory.request({
        method: 'POST',
        path: `/v1/reservations/${id}/expire`,
        body: {},
        idempotencyKey: `expire:${id}`,
        output: z.object({ state: z.string() }),
      })
    }
  },
})
