import { setTimeout as wait } from 'node:timers/promises'
import { Calls, type Surroundings } from './calls.ts'
import { execute } from './execute.ts'
import { settleStates } from './final-states.ts'
import { openConnections } from './http.ts'
import { groupInvoices, selectInvoices } from './invoices.ts'
import { mapInvoices } from './mapping.ts'
import type { ReplayOptions } from './options.ts'
import { derivePlan, mergePlan } from './plan.ts'
import type { Progress } from './progress.ts'
import { composeReport, type Report, rate } from './report.ts'
import { FileRefused, readRows } from './rows.ts'
import { awaitMails, settle } from './settle.ts'
import { startOfRun, takeSnapshot } from './snapshot.ts'
import { Tally } from './tally.ts'
import { Tidemark } from './tidemark.ts'
import { Timings } from './timings.ts'
import { AccessToken } from './token.ts'

/** Long enough for a system that is just starting, short enough for a person who forgot to start it. */
const FIRST_CALL_PATIENCE_MS = 5_000

const real: Surroundings = { now: Date.now, random: Math.random, wait: ms => wait(ms) }

/**
 * Reads the file, sends it, waits until the system has come to rest and judges it. Throws FileRefused, RunRefused, Unreachable or
 * UnexpectedAnswer; after Unreachable the same `run` may be replayed and goes on where it stopped.
 */
export async function replay(
  options: ReplayOptions,
  progress: (progress: Progress) => void = () => {},
  surroundings: Surroundings = real,
): Promise<Report> {
  const { now } = surroundings
  const started = now()
  progress({ note: `run ${options.run}: reading ${options.file}` })
  const { steps, rows, outsideSelection } = await stepsOf(options)

  const connections = openConnections(options.concurrency, options.deadlineMs, options.host)
  const timings = new Timings()
  const token = new AccessToken(options, connections.send, now)
  const link = { send: connections.send, token, patience: options.patienceMs, surroundings, log: timings }
  const calls = new Calls(options.url, link)
  const tidemark = new Tidemark(calls)
  const tally = new Tally()
  try {
    await tidemark.orderSummary(Math.min(FIRST_CALL_PATIENCE_MS, options.patienceMs))
    const before = await startOfRun(options.runsDirectory, options.run, options.url, () => takeSnapshot(tidemark))

    const sendingSince = now()
    let done = 0
    await execute(steps, {
      ...{ calls, tally, run: options.run, concurrency: options.concurrency },
      done(step) {
        done += 1
        const answered = tally.orders.size + tally.counts.short
        const ordersPerSecond = rate(answered, now() - sendingSince)
        progress({ done, total: steps.length, ordersPerSecond, short: tally.counts.short, retries: timings.retries, at: step.at })
      },
    })
    const sending = now() - sendingSince

    const settled = await settle(tidemark, surroundings, options.settleMs, note => progress({ note }))
    await awaitMails(tidemark, surroundings, before)
    const orders = [...tally.orders.values()]
    await settleStates(orders, before.orders, await tidemark.orderSummary(), id => tidemark.orderState(id), options.concurrency)
    const evidence = {
      ...{ before, orders, moved: tally.moved },
      after: await takeSnapshot(tidemark),
      reconciliation: await tidemark.reconciliation(),
    }

    return composeReport({
      ...{ options, evidence, tally, timings, settled, rows: { ...rows, outsideSelection } },
      ...{ totalMs: now() - started, sendingMs: sending },
    })
  } finally {
    connections.close()
  }
}

async function stepsOf(options: ReplayOptions) {
  const rows = await readRows(options.file)
  const { invoices, unplaced } = groupInvoices(rows)
  const selected = selectInvoices(invoices, options)
  if (selected.length === 0) throw new FileRefused(`${options.file}: no invoice in the selected days`)
  const mapped = mapInvoices(selected, unplaced)
  const steps = mergePlan(mapped.steps, derivePlan(mapped.steps))
  return { steps, rows: mapped.rows, outsideSelection: rows.length - mapped.rows.total }
}
