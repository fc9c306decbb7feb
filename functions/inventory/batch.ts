import { Rejected } from '../../shared/errors.ts'
import { type Decision, decide, type Movement, type StockCommand, type StockState } from './decide.ts'
import type { Reservation, StockRow } from './stock.ts'

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
}

/** What a batch writes: the last totals of each row, every movement, and the reservations and answers that changed or are new. */
export interface Writes {
  readonly rows: readonly StockRow[]
  readonly movements: readonly (Movement & { submitted: Submitted })[]
  readonly opened: readonly { reservation: Reservation; actor: string }[]
  readonly closed: readonly Reservation[]
  readonly remembered: readonly Remembered[]
}

export type Outcome = { readonly answer: Answered } | { readonly error: unknown }

const rowKey = (sku: string, location: string): string => `${location} ${sku}`

/**
 * Decides the commands of a batch in their order of arrival, each on what those before it left. Pure: what was loaded comes in,
 * what is to be written and answered goes out.
 */
export function decideBatch(loaded: Loaded, batch: readonly Submitted[], now: Date): { writes: Writes; outcomes: Outcome[] } {
  const rows = new Map(loaded.rows.map(row => [rowKey(row.sku, row.location), row]))
  const reservations = new Map(loaded.reservations.map(reservation => [reservation.id, reservation]))
  const remembered = new Map(loaded.remembered.map(answer => [answer.key, answer]))
  const state: StockState = {
    row: (sku, location) => rows.get(rowKey(sku, location)),
    reservation: id => reservations.get(id),
  }
  const changed = new Map<string, StockRow>()
  const movements: (Movement & { submitted: Submitted })[] = []
  const opened = new Map<string, { reservation: Reservation; actor: string }>()
  const closed = new Map<string, Reservation>()
  const newAnswers: Remembered[] = []

  function apply(decision: Decision, submitted: Submitted): void {
    for (const movement of decision.movements) {
      const key = rowKey(movement.row.sku, movement.row.location)
      rows.set(key, movement.row)
      changed.set(key, movement.row)
      movements.push({ ...movement, submitted })
    }
    const { reservation } = decision
    if (!reservation || reservations.get(reservation.id)?.state === reservation.state) return
    reservations.set(reservation.id, reservation)
    if (reservation.state === 'open') opened.set(reservation.id, { reservation, actor: submitted.command.actor })
    else closed.set(reservation.id, reservation)
  }

  function settle(submitted: Submitted): Outcome {
    const { idempotencyKey: key, fingerprint } = submitted
    const known = key === undefined ? undefined : remembered.get(key)
    if (known) return replay(known, fingerprint)
    const { answer, decision } = attempt(state, submitted, now)
    if (decision) apply(decision, submitted)
    if (key !== undefined) {
      const first = { key, fingerprint, status: answer.status, response: answer.body }
      remembered.set(key, first)
      newAnswers.push(first)
    }
    return { answer }
  }

  const outcomes = batch.map(submitted => {
    try {
      return settle(submitted)
    } catch (error) {
      return { error }
    }
  })
  return {
    writes: {
      rows: [...changed.values()],
      movements,
      opened: [...opened.values()],
      closed: [...closed.values()],
      remembered: newAnswers,
    },
    outcomes,
  }
}

/** A refusal is an answer too: it is remembered as what it was, so that a repetition is told the same. */
function attempt(state: StockState, submitted: Submitted, now: Date): { answer: Answered; decision?: Decision } {
  try {
    const decision = decide(state, submitted.command, now)
    return { answer: submitted.reply(decision), decision }
  } catch (error) {
    if (!(error instanceof Rejected) || submitted.idempotencyKey === undefined) throw error
    return { answer: { status: 0, body: JSON.stringify({ code: error.code, message: error.message, details: error.details }) } }
  }
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
