import type { RecordedStep, StockLine } from './steps.ts'

export type Outcome = 'done' | 'short' | 'nothing-to-cancel'

/**
 * The stock as it would be if the steps came one after another: orders all or nothing, an order that is short takes nothing, stock never
 * goes under zero. The plan keeps its books with it and the tests simulate the shop with it; the running system is never consulted.
 */
export class StockBook {
  readonly #onHand = new Map<string, number>()
  readonly #placed = new Set<string>()

  onHand(sku: string): number {
    return this.#onHand.get(sku) ?? 0
  }

  receive(lines: readonly StockLine[]): void {
    for (const { sku, quantity } of lines) this.#onHand.set(sku, this.onHand(sku) + quantity)
  }

  apply(step: RecordedStep): Outcome {
    if (step.kind === 'return') this.receive(step.lines)
    if (step.kind === 'cancellation') {
      if (!this.#placed.delete(step.order)) return 'nothing-to-cancel'
      this.receive(step.lines)
    }
    if (step.kind === 'order') {
      if (!this.#take(step.lines.map(({ sku, quantity }) => ({ sku, quantity: -quantity })))) return 'short'
      this.#placed.add(step.id)
    }
    if (step.kind === 'adjustment')
      return this.#take(step.lines.map(({ sku, delta }) => ({ sku, quantity: delta }))) ? 'done' : 'short'
    return 'done'
  }

  #take(changes: readonly StockLine[]): boolean {
    const after = new Map<string, number>()
    for (const { sku, quantity } of changes) after.set(sku, (after.get(sku) ?? this.onHand(sku)) + quantity)
    if (after.values().some(units => units < 0)) return false
    for (const [sku, units] of after) this.#onHand.set(sku, units)
    return true
  }
}
