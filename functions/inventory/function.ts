import { operation } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import type { StockLedger } from './ledger.ts'

/** What every operation of the inventory function is given. */
export type Inventory = Deps<['db:inventory']> & { readonly ledger: StockLedger }

export const stockOperation = operation<Inventory>()
