import { closeReservation, extend } from './decide-close.ts'
import { adjust, count, receive, repair, sell, set, settings } from './decide-levels.ts'
import { reserve } from './decide-reserve.ts'
import { cancelTransfer, dispatch, receiveTransfer } from './decide-transfer.ts'
import type { SourceLocation, Strategy } from './sources.ts'
import type { Reservation, StockLine, StockRow } from './stock.ts'
import type { SkuQuantity, Transfer } from './transfer.ts'

/** What somebody wants to happen to stock. Ids and times come in as values. */
export type StockCommand = Origin &
  (
    | { kind: 'receive'; lines: readonly StockLine[]; reason: string }
    | { kind: 'sell'; lines: readonly StockLine[] }
    | { kind: 'adjust'; lines: readonly DeltaLine[]; reason: string }
    | { kind: 'count' | 'repair'; lines: readonly CorrectedLine[]; reason: string }
    | { kind: 'set'; sku: string; location: string; onHand: number; ifMatch: number; reason: string }
    | ({ kind: 'settings'; sku: string; location: string; ifMatch?: number | undefined } & Settings)
    | Reserve
    | { kind: 'extend'; id: string; expiresAt: Date }
    | { kind: 'commit' | 'release' | 'return' | 'expire'; id: string; lines?: readonly StockLine[] | undefined }
    | Dispatch
    | {
        kind: 'transfer-receive'
        id: string
        lines?: readonly SkuQuantity[] | undefined
        /** Why what is not received now never will be. */
        writeOff?: string | undefined
      }
    | { kind: 'transfer-cancel'; id: string }
  )

export interface Reserve {
  kind: 'reserve'
  id: string
  /** A line without a location is sourced by `strategy`. */
  lines: readonly (SkuQuantity & { location?: string | undefined })[]
  expiresAt: Date
  /** Take what there is. */
  partial?: boolean | undefined
  owner?: string | undefined
  strategy?: Strategy | undefined
}

export interface Dispatch {
  kind: 'transfer'
  id: string
  source: string
  destination: string
  lines: readonly SkuQuantity[]
  /** The caller's own name for it; `reference` is the transfer's id, so that the ledger leads to it. */
  named?: string | undefined
}

export interface Settings {
  safetyStock: number
  backorderLimit: number
  capacity: number | null
}

export interface DeltaLine {
  readonly sku: string
  readonly location: string
  readonly delta: number
}

/** What a count or a repair puts right. All figures are differences, so that stock may go on moving between the look and the correction. */
export interface CorrectedLine extends DeltaLine {
  /** Repairs only: promised units that no open reservation stands for are negative. */
  readonly reservedDelta?: number
  /** Repairs only: units by which the totals are above what the ledger adds up to. The totals lose them, the ledger does not. */
  readonly drift?: { readonly onHand: number; readonly reserved: number }
}

interface Origin {
  readonly reference?: string | undefined
  readonly actor: string
}

/** What a batch has locked, as the commands before this one left it. */
export interface StockState {
  row(sku: string, location: string): StockRow | undefined
  reservation(id: string): Reservation | undefined
  /** The open reservations of an owner. */
  holdsOf(owner: string): readonly Reservation[]
  /** Where a SKU may be taken from when no location is named. */
  sourcesOf(sku: string): readonly SourceLocation[]
  transfer(id: string): Transfer | undefined
}

/** One entry of the ledger. `row` is the total after it. */
export interface Movement {
  readonly kind: StockCommand['kind']
  readonly onHandDelta: number
  readonly reservedDelta: number
  readonly row: StockRow
}

/** What a command changes: nothing is half done. What is given back as it was has not changed. */
export interface Decision {
  readonly movements: readonly Movement[]
  readonly reservation?: Reservation
  /** Other reservations that this one took the place of. */
  readonly replaced?: readonly Reservation[]
  readonly transfer?: Transfer
  /** What a partial reservation could not take. */
  readonly missing?: readonly Missing[]
  /** The row that was looked at, when nothing had to move. */
  readonly unmoved?: StockRow
}

export interface Missing extends SkuQuantity {
  /** Absent when any location would have done. */
  readonly location?: string
}

/** The rule of every stock operation. Throws Rejected when the command cannot be done as a whole. */
export function decide(state: StockState, command: StockCommand, now: Date): Decision {
  switch (command.kind) {
    case 'receive':
      return receive(state, command.lines)
    case 'sell':
      return sell(state, command.lines)
    case 'adjust':
      return adjust(state, command.lines)
    case 'count':
      return count(state, command.lines)
    case 'repair':
      return repair(state, command.lines)
    case 'set':
      return set(state, command)
    case 'settings':
      return settings(state, command)
    case 'reserve':
      return reserve(state, command, command.reference ?? null, now)
    case 'extend':
      return extend(state, command, now)
    case 'commit':
    case 'release':
    case 'return':
    case 'expire':
      return closeReservation(state, command, now)
    case 'transfer':
      return dispatch(state, command, now)
    case 'transfer-receive':
      return receiveTransfer(state, command)
    case 'transfer-cancel':
      return cancelTransfer(state, command.id)
  }
}
