import { operation } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import type { BulkPlaces } from './bulk-places.ts'
import type { StockLedger } from './ledger.ts'
import type { StockReads } from './stock-reads.ts'

/** What every operation of the inventory function is given. */
export type Inventory = Deps<['db:inventory']> & {
  readonly ledger: StockLedger
  readonly reads: StockReads
  readonly bulkPlaces: BulkPlaces
}

export const stockOperation = operation<Inventory>()
