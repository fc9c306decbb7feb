import type { OwnOrder } from './tally.ts'
import type { OrderSummary } from './tidemark.ts'

const FINAL = ['confirmed', 'cancelled', 'rejected'] as const

/**
 * Brings every own order to the state it ended in. An order is normally confirmed some time after its answer, and reading 14,000 of them
 * one by one only to hear so is waste: orders answered 202 are read, the others are taken for confirmed (cancelled ones for cancelled),
 * and if the system's own counts rose by exactly these figures, that is the proof. Otherwise every own order is read.
 */
export async function settleStates(
  orders: readonly OwnOrder[],
  before: OrderSummary,
  after: OrderSummary,
  read: (id: string) => Promise<string>,
  concurrency: number,
): Promise<{ read: number }> {
  const awaited = orders.filter(order => order.awaited)
  await readStates(awaited, read, concurrency)
  const assumed = orders.map(order => (order.awaited || order.state === 'cancelled' ? order.state : 'confirmed'))
  const proven = FINAL.every(
    state => (after.states[state] ?? 0) - (before.states[state] ?? 0) === assumed.filter(own => own === state).length,
  )
  const onlyFinal = assumed.every(isFinal)
  if (proven && onlyFinal) {
    for (const [index, order] of orders.entries()) order.state = assumed[index] ?? order.state
    return { read: awaited.length }
  }
  const others = orders.filter(order => !order.awaited)
  await readStates(others, read, concurrency)
  return { read: orders.length }
}

export function isFinal(state: string): boolean {
  return (FINAL as readonly string[]).includes(state)
}

async function readStates(
  orders: readonly OwnOrder[],
  read: (id: string) => Promise<string>,
  concurrency: number,
): Promise<void> {
  const queue = orders.values()
  const worker = async () => {
    for (const order of queue) order.state = await read(order.id)
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, orders.length) }, worker))
}
