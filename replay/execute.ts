import type { Calls } from './calls.ts'
import type { CancellationStep, Step } from './steps.ts'
import type { Tally } from './tally.ts'
import { cancelOf, writeOf } from './writes.ts'

export type Sending = {
  readonly calls: Calls
  readonly tally: Tally
  readonly run: string
  readonly concurrency: number
  /** After each step. */
  readonly done: (step: Step) => void
}

/**
 * Sends the steps in their order, `concurrency` at a time. Neighbours may overtake one another, as customers do; what must not be
 * overtaken waits: a delivery (and opening stock, and thresholds) until all before it has its answer, and all after it until it has its
 * own; a cancellation for its order's answer. That order was started earlier, so the wait cannot block the pool for good.
 */
export async function execute(steps: readonly Step[], sending: Sending): Promise<void> {
  const orderAnswers = new Map<string, Promise<void>>()
  const underWay = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined
  for (const step of steps) {
    while (underWay.size > 0 && (isBarrier(step) || underWay.size >= sending.concurrency)) await Promise.race(underWay)
    if (failure) break
    const work = send(step, sending, orderAnswers).then(() => sending.done(step))
    if (step.kind === 'order') orderAnswers.set(step.id, work)
    const settled: Promise<void> = work
      .catch(error => {
        failure ??= { error }
      })
      .finally(() => underWay.delete(settled))
    underWay.add(settled)
    if (isBarrier(step)) await settled
  }
  await Promise.all(underWay)
  if (failure) throw failure.error
}

function isBarrier(step: Step): boolean {
  return step.kind === 'opening' || step.kind === 'delivery' || step.kind === 'thresholds'
}

async function send(step: Step, sending: Sending, orderAnswers: ReadonlyMap<string, Promise<void>>): Promise<void> {
  if (step.kind === 'cancellation') {
    await orderAnswers.get(step.order)
    return cancel(step, sending)
  }
  const call = writeOf(step, sending.run)
  sending.tally.record(step, call, await sending.calls.make(call))
}

/** An order that was short took no goods: its credit note finds nothing to cancel, and nothing is sent. */
async function cancel(step: CancellationStep, { calls, tally, run }: Sending): Promise<void> {
  const own = tally.orders.get(step.order)
  if (!own) return tally.recordNothingToCancel()
  const call = cancelOf(step, own.id, run)
  tally.recordCancel(own, call, await calls.make(call))
}
