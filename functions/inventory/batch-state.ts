import type { Loaded, Submitted, Writes } from './batch.ts'
import { type Decision, decide, type Movement, type StockCommand, type StockState } from './decide.ts'
import { outstandingAt } from './decide-close.ts'
import type { SourceLocation } from './sources.ts'
import type { Reservation, StockRow } from './stock.ts'
import type { Transfer } from './transfer.ts'

const rowKey = (sku: string, location: string): string => `${location} ${sku}`

/** What is locked, as the commands so far left it, and what of it is to be written. */
export class BatchState implements StockState {
  readonly #rows: Map<string, StockRow>
  readonly #reservations: Map<string, Reservation>
  readonly #transfers: Map<string, Transfer>
  readonly #sources: ReadonlyMap<string, readonly SourceLocation[]>
  readonly #movements: (Movement & { submitted: Submitted })[] = []
  readonly #changedRows = new Map<string, StockRow>()
  readonly #opened = new Map<string, { reservation: Reservation; actor: string }>()
  readonly #changed = new Map<string, Reservation>()
  readonly #dispatched = new Map<string, { transfer: Transfer; actor: string }>()
  readonly #moved = new Map<string, Transfer>()

  constructor({ rows, reservations, transfers = [], sources = new Map(), lapsed = [] }: Loaded) {
    this.#rows = new Map(rows.map(row => [rowKey(row.sku, row.location), row]))
    this.#reservations = new Map([...reservations, ...lapsed].map(reservation => [reservation.id, reservation]))
    this.#transfers = new Map(transfers.map(transfer => [transfer.id, transfer]))
    this.#sources = sources
  }

  row = (sku: string, location: string) => this.#rows.get(rowKey(sku, location))
  reservation = (id: string) => this.#reservations.get(id)
  transfer = (id: string) => this.#transfers.get(id)
  sourcesOf = (sku: string) => this.#sources.get(sku) ?? []
  holdsOf = (owner: string) => [...this.#reservations.values()].filter(one => one.owner === owner && one.state === 'open')

  /** Only the rows that are locked anyway get their units back; the sweep does the rest. */
  lapse({ id, reference }: Reservation, now: Date): void {
    const reservation = this.#reservations.get(id) as Reservation
    const lines = outstandingAt(reservation, line => this.row(line.sku, line.location) !== undefined)
    const command: StockCommand = { kind: 'expire', id, lines, reference: reference ?? undefined, actor: 'inventory' }
    this.apply(decide(this, command, now), { command, fingerprint: '', traceparent: '', reply: () => ({ status: 0, body: '' }) })
  }

  apply(decision: Decision, submitted: Submitted): void {
    for (const movement of decision.movements) {
      const key = rowKey(movement.row.sku, movement.row.location)
      this.#rows.set(key, movement.row)
      this.#changedRows.set(key, movement.row)
      this.#movements.push({ ...movement, submitted })
    }
    const { actor } = submitted.command
    for (const reservation of [...(decision.replaced ?? []), ...(decision.reservation ? [decision.reservation] : [])]) {
      const before = this.#reservations.get(reservation.id)
      if (!before) this.#opened.set(reservation.id, { reservation, actor })
      else if (before !== reservation) this.#changed.set(reservation.id, reservation)
      this.#reservations.set(reservation.id, reservation)
    }
    const { transfer } = decision
    if (!transfer) return
    const before = this.#transfers.get(transfer.id)
    if (!before) this.#dispatched.set(transfer.id, { transfer, actor })
    else if (before !== transfer) this.#moved.set(transfer.id, transfer)
    this.#transfers.set(transfer.id, transfer)
  }

  writes(): Omit<Writes, 'remembered'> {
    return {
      rows: [...this.#changedRows.values()],
      movements: this.#movements,
      opened: [...this.#opened.values()],
      changed: [...this.#changed.values()],
      dispatched: [...this.#dispatched.values()],
      moved: [...this.#moved.values()],
    }
  }
}
