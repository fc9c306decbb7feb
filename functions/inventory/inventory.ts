import { z } from 'zod'
import { atStart, setting } from '../../shared/config.ts'
import { service } from '../../shared/function/declare.ts'
import { adjust } from './adjust.ts'
import { bulk } from './bulk.ts'
import { BulkPlaces } from './bulk-places.ts'
import { commit, expire, giveBack, release } from './close.ts'
import { approveCount, cancelCount } from './cycle-count-approve.ts'
import { enterCounts } from './cycle-count-enter.ts'
import { openCount } from './cycle-count-open.ts'
import { listCounts, readOneCount } from './cycle-count-read.ts'
import { extend } from './extend.ts'
import { history } from './history.ts'
import { readItem, setItem } from './items.ts'
import { stockLedger } from './ledger.ts'
import { listAllLocations, readOneLocation, setLocation } from './locations.ts'
import { list, readOne, readSku } from './read.ts'
import { readReservation } from './read-reservation.ts'
import { receive } from './receive.ts'
import { reconcile } from './reconcile.ts'
import { repair } from './reconcile-repair.ts'
import { reserve } from './reserve.ts'
import { sell } from './sell.ts'
import { set } from './set.ts'
import { levelOf } from './stock.ts'
import { readSettings, setUpReads } from './stock-reads.ts'
import { cancelTransfer, dispatch, listAllTransfers, readOneTransfer, receiveTransfer } from './transfers.ts'

/** The stock path. Pinned warm: every sale waits for it. */
export const inventory = service({
  name: 'inventory',
  summary: 'Stock levels and reservations',
  uses: ['db:inventory', 'replica:inventory', 'cache'],
  config: z.object({
    DATABASE_POOL: atStart(setting.count(8)),
    STOCK_WRITERS: atStart(setting.count(2)),
    STOCK_MAX_BATCH: atStart(setting.count(256)),
    STOCK_MAX_WAITING: atStart(setting.count(2_000)),
    /** Milliseconds. */
    STOCK_MAX_DELAY: atStart(setting.count(250)),
    ...readSettings,
  }),
  scale: { min: 1, max: 4, concurrency: 0, target: 400, timeout: 65, memory: 1_024 },
  setup({ db, replica, cache, newId, now, config, metrics }) {
    const batches = metrics.histogram(
      'tidemark_stock_batch_commands',
      'Commands that shared a transaction.',
      [],
      [1, 2, 4, 8, 16, 32, 64, 128, 256],
    )
    const waiting = metrics.gauge('tidemark_stock_waiting', 'Commands that waited for a transaction when the last one began.')
    const { reads, levelCache } = setUpReads({ primary: db.inventory, replica: replica.inventory, redis: cache, config, metrics })
    return {
      reads,
      bulkPlaces: new BulkPlaces(Math.ceil(config.STOCK_MAX_WAITING / 4)),
      ledger: stockLedger({
        database: db.inventory,
        newId,
        now,
        writers: config.STOCK_WRITERS,
        maxBatch: config.STOCK_MAX_BATCH,
        maxWaiting: config.STOCK_MAX_WAITING,
        maxDelay: config.STOCK_MAX_DELAY,
        observe(commands, behind) {
          batches.observe(commands)
          waiting.set(behind)
        },
        changed: rows => levelCache?.changed(rows.map(levelOf)),
      }),
    }
  },
  saturated: ({ ledger }) => ledger.saturated,
  run: ({ ledger }, signal) => Promise.race([ledger.hung, aborted(signal)]),
  operations: [
    receive,
    sell,
    adjust,
    bulk,
    reconcile,
    repair,
    openCount,
    listCounts,
    readOneCount,
    enterCounts,
    approveCount,
    cancelCount,
    list,
    history,
    set,
    readOne,
    reserve,
    commit,
    release,
    giveBack,
    expire,
    readReservation,
    extend,
    setItem,
    readItem,
    setLocation,
    readOneLocation,
    listAllLocations,
    dispatch,
    receiveTransfer,
    cancelTransfer,
    readOneTransfer,
    listAllTransfers,
    // Last of the routes of its length: the others are not SKUs.
    readSku,
  ],
})

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
