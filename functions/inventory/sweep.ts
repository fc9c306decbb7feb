import { z } from 'zod'
import { schedule } from '../../shared/function/declare.ts'

/** Reservations closed at once: they share transactions. */
const together = 64
/** Milliseconds after which a round leaves the rest to the next minute's. */
const roundTime = 20_000

export const sweepInventory = schedule({
  name: 'inventory-sweep',
  summary: 'Close reservations whose time is over',
  cron: '* * * * *',
  uses: ['db:inventory', 'call:inventory'],
  scale: { max: 1 },
  async handle({ db, call, now }) {
    const until = now().getTime() + roundTime
    for (let after = new Date(0); now().getTime() < until; ) {
      const expired = await db.inventory.sql<{ id: string; expiresAt: Date }[]>`
        select id, expires_at as "expiresAt" from reservation
        where state = 'open' and expires_at <= now() and expires_at >= ${after} order by expires_at limit ${together}`
      // The ledger decides again: one that was committed meanwhile stays as it is.
      await Promise.all(
        expired.map(({ id }) =>
          call.inventory.request({
            method: 'POST',
            path: `/v1/reservations/${id}/expire`,
            body: {},
            output: z.object({ state: z.string() }),
          }),
        ),
      )
      if (expired.length < together) return
      after = expired.at(-1)?.expiresAt ?? after
    }
  },
})
