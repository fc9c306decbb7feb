import { z } from 'zod'
import type { Call } from './calls.ts'
import type { Answer } from './http.ts'
import type { CancellationStep, OrderStep, Step, StockLine } from './steps.ts'
import { json, order, readAs } from './tidemark.ts'

const problem = z.object({ code: z.string() })
const shortages = z.object({
  shortages: z.array(z.object({ sku: z.string(), requested: z.number(), available: z.number() })),
})

export type OwnOrder = {
  readonly id: string
  /** As last answered; after the run, as finally read. */
  state: string
  /** Answered 202: inventory was away, the order is decided later. */
  readonly awaited: boolean
  readonly lines: readonly StockLine[]
}
export type ShortSku = { sku: string; lines: number; missing: number }
export type Refusal = { call: string; status: number; code: string; count: number; first: string }

/** What Tidemark told its client: the counts of the summary, and the stock that must follow from them. */
export class Tally {
  /** Own accepted orders by invoice. */
  readonly orders = new Map<string, OwnOrder>()
  readonly counts = {
    short: 0,
    shortLines: 0,
    nothingToCancel: 0,
    cancelled: 0,
    returned: 0,
    returnedUnits: 0,
    adjusted: 0,
    adjustedUnits: 0,
    adjustmentsShort: 0,
    openingUnits: 0,
    deliveries: 0,
    deliveryUnits: 0,
    thresholds: 0,
  }
  /** Change of stock on hand by accepted receipts, returns and adjustments; orders come in at the end, by their final state. */
  readonly moved = new Map<string, number>()
  readonly #short = new Map<string, ShortSku>()
  readonly #refusals = new Map<string, Refusal>()

  record(step: Exclude<Step, CancellationStep>, call: Call, answer: Answer): void {
    if (answer.status >= 400) this.#recordProblem(step, call, answer)
    else if (step.kind === 'order') this.#recordOrder(step, call, answer)
    else if (step.kind === 'adjustment') {
      this.counts.adjusted += 1
      this.counts.adjustedUnits += this.#move(step.lines.map(({ sku, delta }) => ({ sku, quantity: delta })))
    } else if (step.kind === 'thresholds') this.counts.thresholds += step.levels.length
    else {
      const units = this.#move(step.lines)
      if (step.kind === 'opening') this.counts.openingUnits += units
      if (step.kind === 'delivery') {
        this.counts.deliveries += 1
        this.counts.deliveryUnits += units
      }
      if (step.kind === 'return') {
        this.counts.returned += 1
        this.counts.returnedUnits += units
      }
    }
  }

  recordCancel(own: OwnOrder, call: Call, answer: Answer): void {
    if (answer.status >= 400) this.#refuse(call, answer)
    else {
      own.state = readAs(order, call, answer).state
      this.counts.cancelled += 1
    }
  }

  recordNothingToCancel(): void {
    this.counts.nothingToCancel += 1
  }

  topShort(most: number): ShortSku[] {
    return [...this.#short.values()].sort((a, b) => b.lines - a.lines || b.missing - a.missing).slice(0, most)
  }

  refusals(): Refusal[] {
    return [...this.#refusals.values()].sort((a, b) => b.count - a.count)
  }

  #recordOrder(step: OrderStep, call: Call, answer: Answer): void {
    const { id, state } = readAs(order, call, answer)
    this.orders.set(step.id, { id, state, awaited: answer.status === 202, lines: step.lines })
  }

  #recordProblem(step: Step, call: Call, answer: Answer): void {
    const isShort = answer.status === 409 && codeOf(answer) === 'insufficient_stock'
    if (isShort && step.kind === 'order') this.#recordShort(answer)
    else if (isShort && step.kind === 'adjustment') this.counts.adjustmentsShort += 1
    else this.#refuse(call, answer)
  }

  #recordShort(answer: Answer): void {
    this.counts.short += 1
    for (const { sku, requested, available } of shortages.safeParse(json(answer.text)).data?.shortages ?? []) {
      const own = this.#short.get(sku) ?? { sku, lines: 0, missing: 0 }
      this.counts.shortLines += 1
      this.#short.set(sku, { sku, lines: own.lines + 1, missing: own.missing + requested - available })
    }
  }

  #refuse(call: Call, answer: Answer): void {
    const code = codeOf(answer)
    const key = `${call.name} ${answer.status} ${code}`
    const own = this.#refusals.get(key) ?? {
      call: call.name,
      status: answer.status,
      code,
      count: 0,
      first: answer.text.slice(0, 300),
    }
    own.count += 1
    this.#refusals.set(key, own)
  }

  #move(lines: readonly StockLine[]): number {
    let units = 0
    for (const { sku, quantity } of lines) {
      units += quantity
      this.moved.set(sku, (this.moved.get(sku) ?? 0) + quantity)
    }
    return units
  }
}

function codeOf(answer: Answer): string {
  return problem.safeParse(json(answer.text)).data?.code ?? 'unknown'
}
