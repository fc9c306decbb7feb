import type { Surroundings } from './calls.ts'
import type { Snapshot } from './snapshot.ts'
import type { Tidemark } from './tidemark.ts'

const POLL_MS = 500
/** A mail may be under way although all events are delivered: it waits for others, its server is slow, or it is tried again. */
const MAIL_GRACE_MS = 180_000
/** Within which what is said to be over is: an alert is counted a moment after its event. */
const QUIET_MS = 2_000

export type Settled = { readonly settled: boolean; readonly ms: number }

/**
 * Waits until every order is final and every event is delivered, on two polls in a row: between an order's last state and its event
 * there is a moment in which both look quiet. Gives up after `limitMs`; the invariants then say what was not done.
 */
export async function settle(
  tidemark: Tidemark,
  { now, wait }: Surroundings,
  limitMs: number,
  progress: (text: string) => void,
): Promise<Settled> {
  const started = now()
  for (let quiet = 0; ; ) {
    const [orders, backlog] = await Promise.all([tidemark.orderSummary(), tidemark.backlog()])
    quiet = orders.final && backlog.drained ? quiet + 1 : 0
    if (quiet === 2) return { settled: true, ms: now() - started }
    if (now() - started > limitMs) return { settled: false, ms: now() - started }
    const outbox = backlog.outbox.reduce((sum, { pending }) => sum + pending, 0)
    const lag = backlog.consumers.reduce((sum, consumer) => sum + consumer.lag, 0)
    progress(`settling: orders ${orders.final ? 'final' : 'open'}, outbox ${outbox}, consumer lag ${lag}`)
    await wait(POLL_MS)
  }
}

/** Only while something is pending: what failed for good will not come. */
export async function awaitMails(tidemark: Tidemark, { now, wait }: Surroundings, before: Snapshot): Promise<void> {
  const started = now()
  while (now() - started < MAIL_GRACE_MS) {
    const [alerts, mails] = await Promise.all([tidemark.alerts(), tidemark.mails()])
    const isOver = mails.pending === 0 && mails.alertsPending === 0
    if (isOver && accounted(mails) - accounted(before.mails) >= raised(before.alerts, alerts)) return
    if (isOver && now() - started > QUIET_MS) return
    await wait(POLL_MS)
  }
}

/** Alerts are never forgotten: a raised one is open or resolved. */
export function raised(before: Snapshot['alerts'], after: Snapshot['alerts']): number {
  return after.open + after.resolved - before.open - before.resolved
}

/** Alerts that were told, or that nobody had to be told. */
export const accounted = ({ alertsTold, alertsCancelled, alertsMuted }: Snapshot['mails']): number =>
  alertsTold + alertsCancelled + alertsMuted
