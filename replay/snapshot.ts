import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { AlertSummary, Backlog, MailSummary, OrderSummary, Tidemark } from './tidemark.ts'

/** The system as a client can see it; the proof compares the one before the run with the one after. */
export type Snapshot = {
  readonly stock: ReadonlyMap<string, number>
  readonly orders: OrderSummary
  readonly alerts: AlertSummary
  readonly mails: MailSummary
  readonly backlog: Backlog
}

export async function takeSnapshot(tidemark: Tidemark): Promise<Snapshot> {
  const [stock, orders, alerts, mails, backlog] = await Promise.all([
    tidemark.stock(),
    tidemark.orderSummary(),
    tidemark.alerts(),
    tidemark.mails(),
    tidemark.backlog(),
  ])
  return { stock, orders, alerts, mails, backlog }
}

/**
 * The snapshot before the run's FIRST start. A resumed run gets its first answers again and counts them again, so it has to be compared
 * with the state before they had an effect: hence a file a run, kept with the project's other local state.
 */
export async function startOfRun(directory: string, run: string, url: string, take: () => Promise<Snapshot>): Promise<Snapshot> {
  const file = join(directory, `${run}.json`)
  const kept = await readFile(file, 'utf8').catch(() => undefined)
  if (kept !== undefined) {
    const record = JSON.parse(kept) as { url: string; before: Snapshot & { stock: [string, number][] } }
    if (record.url !== url) throw new RunRefused(`run "${run}" belongs to ${record.url}, not to ${url}: give another --run`)
    return { ...record.before, stock: new Map(record.before.stock) }
  }
  const before = await take()
  await mkdir(dirname(file), { recursive: true })
  await writeFile(`${file}.part`, JSON.stringify({ url, before: { ...before, stock: [...before.stock] } }))
  await rename(`${file}.part`, file)
  return before
}

/** The name of the run cannot be used here. */
export class RunRefused extends Error {}
