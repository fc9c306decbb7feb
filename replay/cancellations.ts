import { DAY, type StockLine } from './steps.ts'

/** A credit note this much later is a return of goods, not a cancelled order. */
const CANCELLABLE_FOR = 30 * DAY

type OpenOrder = { readonly id: string; readonly at: number; readonly customer: string }

/**
 * Remembers the orders that a credit note could still cancel.
 *
 * A credit note cancels the latest earlier order of its customer that holds exactly its goods (same SKUs, same quantities, same number
 * of lines) and is at most 30 days old; an order is cancelled once. A credit note without a customer may cancel anybody's.
 */
export class CancellableOrders {
  readonly #byGoods = new Map<string, OpenOrder[]>()

  add(order: OpenOrder, lines: readonly StockLine[]): void {
    const goods = goodsOf(lines)
    const same = this.#byGoods.get(goods)
    if (same) same.push(order)
    else this.#byGoods.set(goods, [order])
  }

  /** The order that this credit note cancels, which is then no longer cancellable. */
  take(credit: { at: number; customer: string }, lines: readonly StockLine[]): string | undefined {
    const same = this.#byGoods.get(goodsOf(lines))
    if (!same) return undefined
    const index = same.findLastIndex(
      order =>
        order.at <= credit.at &&
        credit.at - order.at <= CANCELLABLE_FOR &&
        (credit.customer === '' || credit.customer === order.customer),
    )
    return index === -1 ? undefined : same.splice(index, 1)[0]?.id
  }
}

function goodsOf(lines: readonly StockLine[]): string {
  return lines
    .map(line => `${line.sku}×${line.quantity}`)
    .sort()
    .join('\n')
}
