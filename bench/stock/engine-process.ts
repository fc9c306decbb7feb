import { stockLedger } from '../../functions/inventory/ledger.ts'
import { reserve } from '../../functions/inventory/reserve.ts'
import { openDatabase } from '../../shared/data/postgres.ts'
import { newId } from '../../shared/ids.ts'

export interface EngineJob {
  readonly run: string
  readonly callers: number
  readonly skus: number
  readonly seconds: number
}

/** The engine of stock as the inventory function holds it, called without HTTP: so many callers, each with one reservation after another. */
const database = openDatabase({ url: process.argv[2] as string, pool: 8, service: 'bench' })
const now = () => new Date()
const ledger = stockLedger({ database, newId, now })
const deps = { ledger, newId, now } as unknown as Parameters<typeof reserve.handle>[0]

process.on('message', async ({ run, callers, skus, seconds }: EngineJob) => {
  const start = performance.now()
  const until = start + seconds * 1_000
  let done = 0
  const work = async (caller: number) => {
    for (let n = 0; performance.now() < until; n++) {
      const sku = `SKU-${String(Math.floor(Math.random() * skus)).padStart(5, '0')}`
      const input = reserve.input.parse({ lines: [{ sku, quantity: 1 }] })
      const key = `${run}-${caller}-${n}`
      await reserve.handle(deps, input, {
        ...{ subject: 'bench', client: 'bench', scopes: new Set(), idempotencyKey: key, fingerprint: key },
      })
      done++
    }
  }
  await Promise.all(Array.from({ length: callers }, (_, caller) => work(caller)))
  process.send?.({ perSecond: done / ((performance.now() - start) / 1_000) })
})
process.on('disconnect', () => void database.close().then(() => process.exit(0)))
process.send?.({ ready: true })
