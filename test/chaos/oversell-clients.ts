import { setTimeout as sleep } from 'node:timers/promises'
import { v7 as uuidv7 } from 'uuid'
import { issueToken } from '../token-issuer.ts'

export const skus = ['BELL', 'CUP', 'LAMP', 'MUG', 'TIN'] as const

export interface Units {
  readonly sku: string
  readonly quantity: number
}

/** What a client asked for, and what it was told in the end. */
export interface Ask {
  readonly key: string
  readonly kind: 'receive' | 'reserve' | 'commit' | 'release'
  /** As asked; of a commit or a release, what its reservation holds. */
  readonly lines: readonly Units[]
  /** Of a commit or a release. */
  readonly reservation?: string
  /** Seconds; of a reservation. */
  readonly ttl?: number
  readonly partial?: boolean
  status: number
  /** Of a reservation that was made: what it is and holds. */
  made?: { readonly id: string; readonly lines: readonly Units[] }
  code?: string
}

export interface Crowd {
  readonly asks: readonly Ask[]
  readonly counts: {
    answered: number
    /** Requests to which no answer came, and those answered 5xx. */
    cutOff: number
    unavailable: number
    /** Keys that were sent to two instances at once or once more after their answer. */
    atOnce: number
    again: number
    /** Answers to a request that had been cut off and turned out to be done. */
    foundDone: number
  }
  /** Answers to one key that differ. */
  readonly contradictions: readonly string[]
  readonly inFlight: () => number
  /** Nobody begins anything new; returns when everybody has the answer to what was begun. */
  leave(): Promise<void>
}

/** A minute of a system that is away. */
const mostAttempts = 600

interface Answer {
  readonly status: number
  readonly text: string
}

/** Many clients after few units. Who gets no answer asks again with the same key, at another instance, until there is one. */
export async function startCrowd(size: number, urls: () => readonly string[]): Promise<Crowd> {
  const asks: Ask[] = []
  const contradictions: string[] = []
  const counts = { answered: 0, cutOff: 0, unavailable: 0, atOnce: 0, again: 0, foundDone: 0 }
  const token = await issueToken({ expiresIn: 3_600 })
  let isOpen = true
  let inFlight = 0

  async function post(instance: number, path: string, key: string, body: object): Promise<Answer> {
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const all = urls()
      const base = all[(instance + attempt) % all.length]
      inFlight++
      try {
        const answer = await fetch(base + path, {
          method: 'POST',
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'idempotency-key': key },
          body: JSON.stringify(body),
          signal: AbortSignal.timeout(15_000),
        })
        const text = await answer.text()
        if (answer.status < 500) {
          if (attempt > 0 && answer.headers.has('idempotency-replayed')) counts.foundDone++
          return { status: answer.status, text }
        }
        counts.unavailable++
      } catch {
        counts.cutOff++
      } finally {
        inFlight--
      }
      await sleep(50 + 10 * (attempt % 10))
    }
    throw new Error(`${path} of ${key} was never answered`)
  }

  /** Every third is sent to two instances at the same time, every fifth once more when it is answered. */
  async function ask(number: number, path: string, body: object, given: Omit<Ask, 'key' | 'status'>): Promise<Ask> {
    const asked: Ask = { ...given, key: uuidv7(), status: 0 }
    const nth = asks.push(asked)
    const send = (instance: number) => post(instance, path, asked.key, { ...body, reference: asked.key })
    const isAtOnce = nth % 3 === 0
    const answers = await Promise.all([send(number), ...(isAtOnce ? [send(number + 1)] : [])])
    if (isAtOnce) counts.atOnce++
    if (nth % 5 === 0) {
      answers.push(await send(number + 1))
      counts.again++
    }
    const [first] = answers as [Answer, ...Answer[]]
    for (const other of answers.slice(1)) {
      if (other.status !== first.status || gist(other) !== gist(first)) contradictions.push(`${first.text} and ${other.text}`)
    }
    const told = JSON.parse(first.text) as { id: string; code?: string; lines: Units[] }
    asked.status = first.status
    if (first.status >= 400) asked.code = told.code ?? first.text
    if (asked.kind === 'reserve' && first.status === 201) asked.made = { id: told.id, lines: told.lines }
    counts.answered++
    return asked
  }

  async function client(number: number): Promise<void> {
    for (let turn = 0; isOpen; turn++) {
      await sleep(20 + ((number * 7 + turn * 31) % 100))
      if (turn % 12 === 11 && number % 10 === 0) {
        await receive(number, (number + turn) % skus.length, 8)
        continue
      }
      const lines = Array.from({ length: turn % 3 === 0 ? 3 : 1 }, (_, index) => ({
        sku: skus[(number + turn + index * 2) % skus.length] as string,
        quantity: 1 + ((number + turn + index) % 3),
      }))
      const given = { lines, ttl: turn % 4 === 1 ? 2 : 3_600, partial: turn % 5 === 4 }
      const { made } = await ask(number, '/v1/reservations', given, { kind: 'reserve', ...given })
      if (!made || turn % 4 === 1) continue
      const kind = turn % 4 === 0 ? 'commit' : turn % 4 === 2 ? 'release' : undefined
      if (kind === undefined && number % 2 === 0) continue
      await ask(
        number + turn,
        `/v1/reservations/${made.id}/${kind ?? 'release'}`,
        {},
        {
          kind: kind ?? 'release',
          ...{ lines: made.lines, reservation: made.id },
        },
      )
    }
  }

  const receive = (number: number, sku: number, quantity: number) => {
    const lines = [{ sku: skus[sku] as string, quantity }]
    return ask(number, '/v1/stock/receipts', { lines, reason: 'supplier' }, { kind: 'receive', lines })
  }

  for (const index of skus.keys()) await receive(index, index, 500)
  const all = Promise.all(Array.from({ length: size }, (_, number) => client(number)))
  all.catch(() => {})
  return {
    asks,
    counts,
    contradictions,
    inFlight: () => inFlight,
    async leave() {
      isOpen = false
      await all
    },
  }
}

/** What an answer says: a problem names the one request beside, by its trace. */
function gist({ status, text }: Answer): string {
  if (status < 400) return text
  const { code, shortages } = JSON.parse(text) as { code: string; shortages?: unknown }
  return JSON.stringify({ code, shortages })
}
