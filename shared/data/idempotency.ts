import { Rejected } from '../errors.ts'
import { type Call, Reply } from '../function/operation.ts'
import type { Database, Queryable, Tx } from './postgres.ts'

/** The first answer to a key, or undefined. Throws Rejected when the key came with another request. */
export async function remembered<T>(sql: Queryable, call: Call): Promise<Reply<T> | undefined> {
  if (!call.idempotencyKey) return undefined
  const [row] = await sql<{ fingerprint: string; status: number; response: string }[]>`
    select fingerprint, status, response from idempotency where key = ${call.idempotencyKey}`
  if (!row) return undefined
  if (row.fingerprint !== call.fingerprint) throw new Rejected('idempotency_key_reused')
  return Reply.ofText(row.status, row.response, { 'idempotency-replayed': 'true' })
}

/** Keeps an answer in the transaction of its effect. False when another transaction has answered the key meanwhile. */
export async function remember(tx: Tx, call: Call, reply: Reply<unknown>): Promise<boolean> {
  if (!call.idempotencyKey) return true
  const rows = await tx`
    insert into idempotency (key, fingerprint, status, response)
    values (${call.idempotencyKey}, ${call.fingerprint}, ${reply.status}, ${reply.text})
    on conflict do nothing returning 1`
  return rows.length > 0
}

/** Thrown by `work` when it finds its effect there already: another transaction has answered the key meanwhile. */
export class AnsweredMeanwhile extends Error {}

/** Runs `work` in a transaction once a key: a repetition, even one at the same time, is given the first answer. */
export async function idempotently<T>(database: Database, call: Call, work: (tx: Tx) => Promise<Reply<T>>): Promise<Reply<T>> {
  const known = await remembered<T>(database.sql, call)
  if (known) return known
  try {
    return await database.transaction(async tx => {
      const reply = await work(tx)
      if (!(await remember(tx, call, reply))) throw new AnsweredMeanwhile()
      return reply
    })
  } catch (error) {
    if (!(error instanceof AnsweredMeanwhile)) throw error
    const answer = await remembered<T>(database.sql, call)
    if (answer) return answer
    throw new Rejected('idempotency_key_reused', 'This key was used so long ago that its answer is forgotten.')
  }
}
