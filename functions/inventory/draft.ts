import type { Movement, StockState } from './decide.ts'
import { emptyRow, type StockRow } from './stock.ts'

type Place = { readonly sku: string; readonly location: string }

/** A decision in the making: its later steps see what its earlier ones moved. */
export class Draft {
  readonly movements: Movement[] = []
  readonly #state: StockState
  readonly #rows = new Map<string, StockRow>()

  constructor(state: StockState) {
    this.#state = state
  }

  row(place: Place): StockRow {
    return (
      this.#rows.get(`${place.location} ${place.sku}`) ??
      this.#state.row(place.sku, place.location) ??
      emptyRow(place.sku, place.location)
    )
  }

  move(kind: Movement['kind'], place: Place, onHandDelta: number, reservedDelta: number, changed: Partial<StockRow> = {}): void {
    const row = this.row(place)
    const moved = {
      ...row,
      onHand: row.onHand + onHandDelta,
      reserved: row.reserved + reservedDelta,
      ...changed,
      version: row.version + 1,
    }
    this.#rows.set(`${place.location} ${place.sku}`, moved)
    this.movements.push({ kind, onHandDelta, reservedDelta, row: moved })
  }
}
