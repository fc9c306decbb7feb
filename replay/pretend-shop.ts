import type { StockLine } from './steps.ts'

type PretendOrder = { id: string; state: string; lines: readonly StockLine[] }
type Result = { status: number; body: unknown }

/** The rules of the API that the replay uses, in memory and without a wire: for tests only. */
export class PretendShop {
  readonly stock = new Map<string, number>()
  readonly orders = new Map<string, PretendOrder>()
  readonly #thresholds = new Map<string, number>()
  readonly #low = new Set<string>()
  #resolved = 0
  #movements = 0

  receive(lines: readonly StockLine[]): Result {
    for (const { sku, quantity } of lines) this.#move(sku, quantity)
    return { status: 201, body: { levels: [] } }
  }

  adjust(lines: readonly { sku: string; delta: number }[]): Result {
    const short = this.#shortages(lines.map(({ sku, delta }) => ({ sku, quantity: -delta })))
    if (short.length > 0) return refusal(short)
    for (const { sku, delta } of lines) this.#move(sku, delta)
    return { status: 200, body: { levels: [] } }
  }

  /** `away`: inventory does not answer, the order waits for it. */
  order(lines: readonly StockLine[], away: boolean): Result {
    const short = away ? [] : this.#shortages(lines)
    if (short.length > 0) return refusal(short)
    const own: PretendOrder = { id: `order-${this.orders.size + 1}`, state: away ? 'awaiting_stock' : 'placed', lines }
    this.orders.set(own.id, own)
    if (!away) this.#take(own)
    return { status: away ? 202 : 201, body: own }
  }

  cancel(id: string): Result {
    const own = this.orders.get(id)
    if (!own) return { status: 404, body: { code: 'not_found' } }
    if (own.state !== 'awaiting_stock') for (const { sku, quantity } of own.lines) this.#move(sku, quantity)
    own.state = 'cancelled'
    return { status: 200, body: own }
  }

  setThresholds(levels: readonly { sku: string; level: number }[]): Result {
    for (const { sku, level } of levels) this.#thresholds.set(sku, level)
    return { status: 200, body: { set: levels.length } }
  }

  /** What the sagas would do meanwhile: orders that wait are decided, placed ones are paid. */
  settle(): void {
    for (const own of this.orders.values()) {
      if (own.state === 'awaiting_stock') {
        if (this.#shortages(own.lines).length > 0) own.state = 'rejected'
        else this.#take(own)
      }
      if (own.state === 'placed' || own.state === 'awaiting_stock') own.state = 'confirmed'
    }
  }

  get alerts() {
    return { open: this.#low.size, resolved: this.#resolved }
  }

  get movements() {
    return this.#movements
  }

  #take(order: PretendOrder): void {
    for (const { sku, quantity } of order.lines) this.#move(sku, -quantity)
  }

  #move(sku: string, units: number): void {
    const onHand = (this.stock.get(sku) ?? 0) + units
    this.#movements += 1
    this.stock.set(sku, onHand)
    if (onHand <= (this.#thresholds.get(sku) ?? -1)) this.#low.add(sku)
    else if (this.#low.delete(sku)) this.#resolved += 1
  }

  #shortages(lines: readonly StockLine[]) {
    const wanted = new Map<string, number>()
    for (const { sku, quantity } of lines) wanted.set(sku, (wanted.get(sku) ?? 0) + quantity)
    return [...wanted]
      .map(([sku, requested]) => ({ sku, location: 'main', requested, available: this.stock.get(sku) ?? 0 }))
      .filter(({ requested, available }) => requested > available)
  }
}

function refusal(shortages: unknown[]): Result {
  return {
    status: 409,
    body: { type: 'about:blank', title: 'Insufficient stock', status: 409, code: 'insufficient_stock', shortages },
  }
}
