import { GroupCommit } from '../../shared/data/group-commit.ts'
import { type Database, isUniqueViolation, transientOr } from '../../shared/data/postgres.ts'
import { Transient } from '../../shared/errors.ts'
import { currentTraceparent } from '../../shared/events/outbox.ts'
import { type Call, Reply } from '../../shared/function/operation.ts'
import { currentWork } from '../../shared/telemetry/context.ts'
import { type Answered, decideBatch, type Outcome, refusalIn, type Submitted } from './batch.ts'
import type { Decision, StockCommand } from './decide.ts'
import type { StockRow } from './stock.ts'
import { inOneTransaction } from './transaction.ts'

/** The writing side of stock: commands go in, and come back when they are on disk. */
export interface StockLedger {
  /** Rejects when a transaction neither commits nor fails: its connection is dead, and only a new process gets rid of it. */
  readonly hung: Promise<never>
  /** More comes than is committed in time. */
  readonly saturated: boolean
  execute<T>(command: StockCommand, call: Call, status: number, answer: (decision: Decision) => T): Promise<Reply<T>>
}

export interface LedgerOptions {
  database: Database
  newId: () => string
  now: () => Date
  /** Transactions in flight at once. */
  writers?: number
  /** Commands of up to three lines that a transaction carries at most. */
  maxBatch?: number
  /** Commands that may wait; further ones are answered `overloaded`. */
  maxWaiting?: number
  /** Milliseconds that a command may wait behind a full batch before this is `saturated`. */
  maxDelay?: number
  /** Told the size of each batch, and how many commands wait behind it. */
  observe?: (commands: number, waiting: number) => void
  /** Told the rows that a transaction has changed once they are on disk, before anybody is answered. Not all follow from a command. */
  changed?: (rows: readonly StockRow[]) => void
}

/** Milliseconds: longer than all deadlines that the database itself keeps, so it is the network that hangs. */
const hungAfter = 20_000

/**
 * A line of a long command costs about a third of a command of its own, which has an answer to remember, an event apart and mostly a
 * reservation. Seven receipts of a hundred lines in a transaction instead of two cost a fifth less of CPU a line.
 */
const linesOfWeight = 3

export function stockLedger(options: LedgerOptions): StockLedger {
  const { promise: hung, reject: declareHung } = Promise.withResolvers<never>()
  hung.catch(() => {})
  const watched = async (batch: readonly Submitted[]) => {
    const timer = setTimeout(() => declareHung(new Error('A stock transaction hangs.')), hungAfter)
    options.observe?.(batch.length, commits.waiting)
    return commit(batch, options).finally(() => clearTimeout(timer))
  }
  const commits = new GroupCommit<Submitted, Answered>(watched, {
    writers: options.writers ?? 2,
    maxBatch: options.maxBatch ?? 256,
    maxWaiting: options.maxWaiting ?? 2_000,
    ...(options.maxDelay !== undefined && { maxDelay: options.maxDelay }),
    weight: ({ command }) => Math.ceil(('lines' in command ? (command.lines?.length ?? 1) : 1) / linesOfWeight),
  })
  return {
    hung,
    get saturated() {
      return commits.saturated
    },
    async execute(command, call, status, answer) {
      const submitted = {
        command,
        idempotencyKey: call.idempotencyKey,
        fingerprint: call.fingerprint,
        traceparent: currentTraceparent(),
        reply: (decision: Decision) => ({ status, body: JSON.stringify(answer(decision)) }),
      }
      const answered = await commits.submit(submitted, currentWork()?.deadline)
      const refusal = refusalIn(answered)
      if (refusal) throw refusal
      return Reply.ofText(answered.status, answered.body, answered.replayed ? { 'idempotency-replayed': 'true' } : {})
    },
  }
}

async function commit(batch: readonly Submitted[], options: LedgerOptions): Promise<readonly Outcome[]> {
  try {
    return await attempt(batch, options)
  } catch (error) {
    const failure = transientOr(error)
    if (failure instanceof Transient) throw failure
    return alone(batch, options, failure)
  }
}

async function attempt(batch: readonly Submitted[], options: LedgerOptions): Promise<readonly Outcome[]> {
  const now = options.now()
  const { rows, outcomes } = await inOneTransaction(
    options.database,
    batch,
    loaded => {
      const { writes, outcomes, short } = decideBatch(loaded, batch, now)
      return { writes, short, result: { rows: writes.rows, outcomes } }
    },
    options.newId,
    now,
  )
  if (rows.length > 0) options.changed?.(rows)
  return outcomes
}

/**
 * A batch that the database refused is done one by one, so that one command cannot fail the others. The usual reason is that
 * another instance answered the same key between our look and our insert: the second look finds its answer.
 */
async function alone(batch: readonly Submitted[], options: LedgerOptions, failure: unknown): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = []
  for (const submitted of batch) {
    try {
      if (batch.length === 1 && !isUniqueViolation(failure)) throw failure
      outcomes.push(...(await attempt([submitted], options)))
    } catch (error) {
      outcomes.push({ error: transientOr(error) })
    }
  }
  return outcomes
}
