import { Rejected } from '../../shared/errors.ts'
import { BatchState } from './batch-state.ts'
import { type Decision, decide, type Movement, type StockCommand } from './decide.ts'
import type { SourceLocation } from './sources.ts'
import type { Reservation, StockRow } from './stock.ts'
import type { Transfer } from './transfer.ts'

/** A command with what it takes to remember its answer. */
export interface Submitted {
  readonly command: StockCommand
  readonly idempotencyKey?: string | undefined
  readonly fingerprint: string
  readonly traceparent: string
  /** The answer of an accepted decision, as it will be sent and remembered. */
  readonly reply: (decision: Decision) => Answered
}

export interface Answered {
  readonly status: number
  /** JSON text: made once, remembered and sent as it is. */
  readonly body: string
  readonly replayed?: boolean
}

export interface Remembered {
  readonly key: string
  readonly fingerprint: string
  readonly status: number
  readonly response: string
}

/** What a batch has locked and found. */
export interface Loaded {
  readonly rows: readonly StockRow[]
  readonly reservations: readonly Reservation[]
  readonly remembered: readonly Remembered[]
  readonly transfers?: readonly Transfer[]
  /** Where SKUs may be taken from that a line names without a location. */
  readonly sources?: ReadonlyMap<string, readonly SourceLocation[]>
  /** Reservations whose time is over and that still hold some of the rows: they give way before anything is decided. */
  readonly lapsed?: readonly Reservation[]
}

/** What a batch writes: the last totals of each row, every movement, and what is new or changed beside them. */
export interface Writes {
  readonly rows: readonly StockRow[]
  readonly movements: readonly (Movement & { submitted: Submitted })[]
  /** As they were first; a change in the same batch stands in `changed`. */
  readonly opened: readonly { reservation: Reservation; actor: string }[]
  readonly changed: readonly Reservation[]
  readonly dispatched: readonly { transfer: Transfer; actor: string }[]
  readonly moved: readonly Transfer[]
  readonly remembered: readonly Remembered[]
}

/** Where somebody wanted more than there was. */
export interface Short {
  readonly sku: string
  /** Absent when any location would have done. */
  readonly location?: string
}

export type Outcome = { readonly answer: Answered } | { readonly error: unknown }

/**
 * Decides the commands of a batch in their order of arrival, each on what those before it left. Pure: what was loaded comes in,
 * what is to be written and answered goes out.
 */
export function decideBatch(
  loaded: Loaded,
  batch: readonly Submitted[],
  now: Date,
): { writes: Writes; outcomes: Outcome[]; short: Short[] } {
  const state = new BatchState(loaded)
  const remembered = new Map(loaded.remembered.map(answer => [answer.key, answer]))
  const newAnswers: Remembered[] = []
  const short: Short[] = []
  for (const reservation of loaded.lapsed ?? []) state.lapse(reservation, now)

  function settle(submitted: Submitted): Outcome {
    const { idempotencyKey: key, fingerprint } = submitted
    const known = key === undefined ? undefined : remembered.get(key)
    if (known) return replay(known, fingerprint)
    const answer = attempt(submitted)
    if (key !== undefined) {
      const first = { key, fingerprint, status: answer.status, response: answer.body }
      remembered.set(key, first)
      newAnswers.push(first)
    }
    return { answer }
  }

  /** A refusal is an answer too: it is remembered as what it was, so that a repetition is told the same. */
  function attempt(submitted: Submitted): Answered {
    try {
      const decision = decide(state, submitted.command, now)
      const answer = submitted.reply(decision)
      state.apply(decision, submitted)
      if (decision.missing) short.push(...decision.missing)
      return answer
    } catch (error) {
      if (!(error instanceof Rejected)) throw error
      if (error.code === 'insufficient_stock') short.push(...(error.details.shortages as Short[]))
      if (submitted.idempotencyKey === undefined) throw error
      return { status: 0, body: JSON.stringify({ code: error.code, message: error.message, details: error.details }) }
    }
  }

  const outcomes = batch.map(submitted => {
    try {
      return settle(submitted)
    } catch (error) {
      return { error }
    }
  })
  return { writes: { ...state.writes(), remembered: newAnswers }, outcomes, short }
}

function replay(known: Remembered, fingerprint: string): Outcome {
  if (known.fingerprint !== fingerprint) return { error: new Rejected('idempotency_key_reused') }
  return { answer: { status: known.status, body: known.response, replayed: true } }
}

/** Status 0 marks a remembered refusal. */
export function refusalIn(answer: Answered): Rejected | undefined {
  if (answer.status !== 0) return undefined
  const { code, message, details } = JSON.parse(answer.body) as {
    code: Rejected['code']
    message: string
    details: Rejected['details']
  }
  return new Rejected(code, message, details)
}
