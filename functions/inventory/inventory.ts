import { z } from 'zod'
import { atStart, setting } from '../../shared/config.ts'
import { service } from '../../shared/function/declare.ts'
import { adjust } from './adjust.ts'
import { commit, expire, giveBack, release } from './close.ts'
import { stockLedger } from './ledger.ts'
import { list, readOne } from './read.ts'
import { readReservation } from './read-reservation.ts'
import { receive } from './receive.ts'
import { reconcile } from './reconcile.ts'
import { reserve } from './reserve.ts'
import { set } from './set.ts'

/** The stock path. Pinned warm: every sale waits for it. */
export const inventory = service({
  name: 'inventory',
  summary: 'Stock levels and reservations',
  uses: ['db:inventory'],
  config: z.object({
    DATABASE_POOL: atStart(setting.count(8)),
    STOCK_WRITERS: atStart(setting.count(2)),
    STOCK_MAX_BATCH: atStart(setting.count(256)),
    STOCK_MAX_WAITING: atStart(setting.count(2_000)),
  }),
  scale: { min: 1, max: 4, concurrency: 0, target: 400, timeout: 65, memory: 1_024 },
  setup({ db, newId, now, config, metrics }) {
    const batches = metrics.histogram(
      'tidemark_stock_batch_commands',
      'Commands that shared a transaction.',
      [],
      [1, 2, 4, 8, 16, 32, 64, 128, 256],
    )
    return {
      ledger: stockLedger({
        database: db.inventory,
        newId,
        now,
        writers: config.STOCK_WRITERS,
        maxBatch: config.STOCK_MAX_BATCH,
        maxWaiting: config.STOCK_MAX_WAITING,
        observe: commands => batches.observe(commands),
      }),
    }
  },
  run: ({ ledger }, signal) => Promise.race([ledger.hung, aborted(signal)]),
  operations: [receive, adjust, reconcile, list, set, readOne, reserve, commit, release, giveBack, expire, readReservation],
})

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
