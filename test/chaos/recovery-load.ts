import { setTimeout as sleep } from 'node:timers/promises'
import type postgres from 'postgres'
import { v7 as uuidv7 } from 'uuid'
import type { Started } from '../environment.ts'

export interface AnsweredWrite {
  readonly key: string
  readonly kind: 'reserve' | 'commit' | 'receive'
  /** When the client had its answer. */
  readonly at: number
  /** Of a reservation that was made or committed. */
  readonly reservation?: string
}

export interface Load {
  readonly answered: readonly AnsweredWrite[]
  /** Writes refused for want of stock. */
  readonly refused: () => number
  /** Resolves with the time of the first new reservation that is answered from now on. */
  nextReservation(): Promise<number>
  stop(): Promise<void>
}

export const skus = Array.from({ length: 12 }, (_, index) => `DRILL${index}`)
/** Sold out within seconds: what is refused is part of the drill. */
export const scarce = 'SCARCE'

/** Clients that note every answer; one that has none asks again with the same key until it has one. */
export function startLoad(inventory: Started, clients: number): Load {
  const answered: AnsweredWrite[] = []
  const waiting: ((at: number) => void)[] = []
  let refused = 0
  let running = true

  async function client(number: number): Promise<void> {
    for (let turn = 0; running; turn++) {
      const sku = turn % 9 === 0 ? scarce : (skus[(turn + number * 5) % skus.length] as string)
      if (turn % 4 === 3) {
        await write('receive', 'POST /v1/stock/receipts', { lines: [{ sku: skus[number], location: 'main', quantity: 2 }] })
        continue
      }
      const body = { lines: [{ sku, location: 'main', quantity: 1 + (turn % 2) }], ttl: 3_600 }
      const reservation = await write('reserve', 'POST /v1/reservations', body)
      if (reservation !== undefined && turn % 3 === 0) {
        await write('commit', `POST /v1/reservations/${reservation}/commit`, undefined, reservation)
      }
    }
  }

  async function write(kind: AnsweredWrite['kind'], route: string, body: unknown, of?: string): Promise<string | undefined> {
    const key = uuidv7()
    while (running) {
      const answer = await inventory
        .request<{ id?: string }>(route, { key, ...(body !== undefined && { body }) })
        .catch(() => undefined)
      const at = Date.now()
      if (answer === undefined || answer.status >= 500) {
        await sleep(50)
        continue
      }
      await sleep(5)
      if (answer.status >= 400) {
        // 404: its reservation was lost with the rest that no archive had.
        refused++
        return undefined
      }
      const reservation = of ?? answer.body.id
      answered.push({ key, kind, at, ...(reservation !== undefined && kind !== 'receive' && { reservation }) })
      if (kind === 'reserve') for (const tell of waiting.splice(0)) tell(at)
      return reservation
    }
    return undefined
  }

  const all = Promise.all(Array.from({ length: clients }, (_, number) => client(number)))
  return {
    answered,
    refused: () => refused,
    nextReservation: () => new Promise(resolve => waiting.push(resolve)),
    async stop() {
      running = false
      await all
    },
  }
}

/** The opening stock, plenty but of one. */
export async function openStock(inventory: Started): Promise<void> {
  const lines = [
    ...skus.map(sku => ({ sku, location: 'main', quantity: 100_000 })),
    { sku: scarce, location: 'main', quantity: 40 },
  ]
  const { status } = await inventory.request('POST /v1/stock/receipts', { key: 'opening', body: { lines, reason: 'opening' } })
  if (status !== 201) throw new Error(`the opening stock was answered ${status}`)
}

/** Every write that was answered before `before` had reached at most `lsn` of the log. */
export interface Mark {
  readonly before: number
  readonly lsn: string
}

export function markLog(sql: postgres.Sql): { readonly marks: readonly Mark[]; stop(): void } {
  const marks: Mark[] = []
  let running = true
  const loop = async () => {
    while (running) {
      const before = Date.now()
      const [row] = await sql<{ lsn: string }[]>`select pg_current_wal_flush_lsn()::text as lsn`
      if (row) marks.push({ before, lsn: row.lsn })
      await sleep(50)
    }
  }
  loop().catch(() => {})
  return {
    marks,
    stop() {
      running = false
    },
  }
}
