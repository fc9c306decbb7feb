import { listLevels, readLevel, readLevels } from '../../functions/inventory/levels.ts'
import { load } from '../../functions/inventory/load.ts'
import { listMovements } from '../../functions/inventory/movements.ts'
import { type Database, openDatabase, type Sql } from '../../shared/data/postgres.ts'
import { absolute, compared, progress, quantile, type Result, type Rounds } from '../measure.ts'
import { fill, locationName, locations, type Size, skuName } from './fill.ts'
import { openServer } from './server.ts'

const counted = (name: string, standard: number): number => Number(process.env[name] || standard)
const big: Size = { rows: counted('SIZE_STOCK_ROWS', 10_000_000), movements: counted('SIZE_MOVEMENTS', 20_000_000) }
/** The reference: the same shape, so small that no plan matters. */
const small: Size = { rows: 10_000, movements: 20_000 }

/** As in production (knative/platform/postgres/cluster.yaml): the totals of ten million rows fit, the ledger does not. */
const memory = { shared_buffers: '2GB' }

/** Calls of one query on each side a round, after as many that warm it. */
const calls = 20
const rounds = 15
const page = 100
/** Reservations that share a transaction under load. */
const together = 32

const below = (limit: number): number => Math.floor(Math.random() * limit)
const skuIn = ({ rows }: Size): string => skuName(below(rows / locations))
const anywhere = () => locationName(below(locations))
const reference = ({ movements }: Size) => `ORDER-${String(below(movements / 3)).padStart(9, '0')}`
/** Within the year that was filled. */
const moment = () => new Date(Date.now() - below(300 * 86_400_000))
const before = (size: Size) => ({
  micros: String(moment().getTime() * 1_000),
  sku: skuIn(size),
  location: anywhere(),
  version: '1',
})

/** What people and functions ask, with values drawn anew for each call. */
const queries: Record<string, (sql: Sql, size: Size, database: Database) => PromiseLike<unknown>> = {
  'a level by its key': (sql, size) => readLevel(sql, skuIn(size), anywhere()),
  'the levels of a SKU': (sql, size) => readLevels(sql, skuIn(size)),
  'a page of the list': (sql, size) => listLevels(sql, {}, { location: anywhere(), sku: skuIn(size) }, page),
  'a page of a location': sql => listLevels(sql, { location: anywhere() }, undefined, page),
  'a search': (sql, size) => listLevels(sql, { prefix: skuIn(size).slice(0, -1) }, undefined, page),
  // Behind the last location but one there are not as many rows in the small one as such a page looks at.
  'what is low': (sql, size) =>
    listLevels(sql, { below: 3 }, size === small ? undefined : { location: locationName(below(locations - 1)), sku: '' }, page),
  'history of a SKU': (sql, size) => listMovements(sql, { sku: skuIn(size) }, undefined, page),
  'history of a row': (sql, size) => listMovements(sql, { sku: skuIn(size), location: anywhere() }, undefined, page),
  'history of a location': (sql, size) => listMovements(sql, { location: anywhere() }, before(size), page),
  'history of a reference': (sql, size) => listMovements(sql, { reference: reference(size) }, undefined, page),
  'history by time': (sql, size) => listMovements(sql, {}, before(size), page),
  // No index knows the kind: as many movements are looked at as one page may.
  'history of one kind': sql => listMovements(sql, { kind: 'receive' }, undefined, page),
  'the locks of a batch': (_sql, size, database) =>
    database.transaction(async tx => {
      const lines = Array.from({ length: together }, () => ({ sku: skuIn(size), location: anywhere(), quantity: 1 }))
      const command = { kind: 'reserve', lines, actor: 'bench' }
      await load(tx as unknown as Sql, [{ command, fingerprint: '', traceparent: '', reply: () => ({}) } as never])
    }),
}

/** Each common query among millions of rows against ten thousand: by the same functions that answer requests. */
export async function size(): Promise<readonly Result[]> {
  const server = await openServer(memory)
  try {
    const sides = []
    for (const [name, much] of [
      ['small', small],
      ['big', big],
    ] as const) {
      progress(`filling the ${name} one:`)
      const url = await server.database(name)
      await fill(url, much, progress)
      sides.push({ size: much, database: openDatabase({ url, pool: 1, service: 'bench' }) })
    }
    const [few, many] = sides as [Side, Side]
    for (const { database } of sides) await readStock(database)
    const results: Result[] = []
    for (const [name, ask] of Object.entries(queries)) results.push(...(await measure(name, ask, few, many)))
    for (const { database } of sides) await database.close()
    return results
  } finally {
    await server.close()
  }
}

/** The totals are in memory in a shop that trades: by the key, for a scan of the table would keep none of it. */
const readStock = (database: Database) =>
  database.transaction(async tx => {
    await tx`set local statement_timeout = 0`
    await tx`set local enable_seqscan = off`
    await tx`set local enable_bitmapscan = off`
    await tx`select sum(on_hand) from (select on_hand from stock order by sku, location offset 0) stock`
  })

interface Side {
  readonly size: Size
  readonly database: Database
}

async function measure(name: string, ask: (typeof queries)[string], few: Side, many: Side): Promise<Result[]> {
  const all: number[] = []
  const measured: Record<'few' | 'many', number>[] = []
  for (let round = -1; round < rounds; round++) {
    const times = { few: [] as number[], many: [] as number[] }
    for (let call = 0; call < calls; call++) {
      times.few.push(await timed(ask, few))
      times.many.push(await timed(ask, many))
    }
    // The first round warms: plans are made, pages are read.
    if (round < 0) continue
    all.push(...times.many)
    measured.push({ few: quantile(times.few, 0.5), many: quantile(times.many, 0.5) })
  }
  return [
    absolute(`${name}, p95`, 'ms', quantile(all, 0.95), { atMost: 50 }),
    compared(`${name}, p50, against ten thousand rows`, 'ms', measured as Rounds<'few' | 'many'>, 'many', 'few', { atMost: 1.5 }),
  ]
}

async function timed(ask: (typeof queries)[string], { size, database }: Side): Promise<number> {
  const began = performance.now()
  await ask(database.sql, size, database)
  return performance.now() - began
}
