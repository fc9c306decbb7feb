import { z } from 'zod'
import type { Call, Calls } from './calls.ts'
import type { Answer } from './http.ts'

/**
 * The calls that read Tidemark's state. Only the fields that the replay uses are looked at: it is a client and lets the rest grow.
 */
const page = z.object({ items: z.array(z.object({ sku: z.string(), onHand: z.number() })), next: z.string().nullable() })
const reconciliation = z.object({
  ok: z.boolean(),
  drift: z.object({ ledger: z.array(z.unknown()), reserved: z.array(z.unknown()), oversold: z.array(z.unknown()) }),
})
const orderSummary = z.object({ states: z.record(z.string(), z.number()), final: z.boolean() })
const alertSummary = z.object({ open: z.number(), resolved: z.number() })
const mailSummary = z.object({
  ...{ sent: z.number(), failed: z.number(), pending: z.number() },
  // A mail may tell several alerts, and one that ended or was muted before is told by none.
  ...{ alertsTold: z.number(), alertsCancelled: z.number(), alertsMuted: z.number(), alertsPending: z.number() },
})
const backlog = z.object({
  outbox: z.array(z.object({ database: z.string(), pending: z.number(), setAside: z.number() })),
  consumers: z.array(z.object({ source: z.string(), topic: z.string(), lag: z.number() })),
  deadLetters: z.number(),
  drained: z.boolean(),
})
export const order = z.object({ id: z.string(), state: z.string() })

export type Reconciliation = z.infer<typeof reconciliation>
export type OrderSummary = z.infer<typeof orderSummary>
export type AlertSummary = z.infer<typeof alertSummary>
export type MailSummary = z.infer<typeof mailSummary>
export type Backlog = z.infer<typeof backlog>

/** An answer that the API does not promise: the replay cannot go on guessing. */
export class UnexpectedAnswer extends Error {
  readonly status: number
  constructor(call: Call, answer: Answer, reason: string) {
    super(`${call.method} ${call.path} answered ${answer.status}: ${reason}: ${answer.text.slice(0, 300)}`)
    this.status = answer.status
  }
}

export class Tidemark {
  readonly #calls: Calls

  constructor(calls: Calls) {
    this.#calls = calls
  }

  /** Units on hand a SKU at the location `main`, all pages. */
  async stock(): Promise<Map<string, number>> {
    const onHand = new Map<string, number>()
    let cursor: string | null = ''
    while (cursor !== null) {
      const after: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const { items, next }: z.infer<typeof page> = await this.#get(
        'read stock',
        `/v1/stock?location=main&limit=1000${after}`,
        page,
      )
      for (const level of items) onHand.set(level.sku, level.onHand)
      cursor = next
    }
    return onHand
  }

  /** The first call of a replay: it tells early, in `patience` ms, that nothing listens. */
  orderSummary(patience?: number): Promise<OrderSummary> {
    return this.#get('read order summary', '/v1/orders/summary', orderSummary, patience)
  }

  reconciliation(): Promise<Reconciliation> {
    return this.#get('read reconciliation', '/v1/stock/reconciliation', reconciliation)
  }

  alerts(): Promise<AlertSummary> {
    return this.#get('read alerts', '/v1/alerts/summary', alertSummary)
  }

  mails(): Promise<MailSummary> {
    return this.#get('read notifications', '/v1/notifications/summary', mailSummary)
  }

  backlog(): Promise<Backlog> {
    return this.#get('read backlog', '/v1/events/backlog', backlog)
  }

  async orderState(id: string): Promise<string> {
    return (await this.#get('read order', `/v1/orders/${encodeURIComponent(id)}`, order)).state
  }

  async #get<T>(name: string, path: string, schema: z.ZodType<T>, patience?: number): Promise<T> {
    const call: Call = { name, method: 'GET', path, ...(patience === undefined ? {} : { patience }) }
    const answer = await this.#calls.make(call)
    if (answer.status !== 200) throw new UnexpectedAnswer(call, answer, 'expected 200')
    return readAs(schema, call, answer)
  }
}

export function readAs<T>(schema: z.ZodType<T>, call: Call, answer: Answer): T {
  const read = schema.safeParse(json(answer.text))
  if (!read.success) throw new UnexpectedAnswer(call, answer, z.prettifyError(read.error))
  return read.data
}

export function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
