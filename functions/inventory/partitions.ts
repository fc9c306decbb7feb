import type { Database, Queryable, Tx } from '../../shared/data/postgres.ts'

/** One part of the ledger: the movements from `begins` to before `ends`. */
export interface Partition {
  readonly name: string
  /** Null: the beginning. */
  readonly begins: Date | null
  /** Null: without an end. */
  readonly ends: Date | null
  /** It was being detached when whoever did that was interrupted. */
  readonly isLeaving: boolean
}

/** Takes what comes after the last month that was added: a sale finds its place even when nobody adds a month any more. */
export const openEnd = 'movement_later'

/** The ledger's partitions, the oldest first. */
export const partitionsOf = (sql: Queryable): PromiseLike<Partition[]> => sql<Partition[]>`
  select name, begins, ends, "isLeaving" from (
    select c.relname as name, i.inhdetachpending as "isLeaving",
      substring(bound from $$FROM \\('([^']*)'\\)$$)::timestamptz as begins,
      substring(bound from $$TO \\('([^']*)'\\)$$)::timestamptz as ends
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    cross join lateral (select pg_get_expr(c.relpartbound, c.oid) as bound offset 0) b
    where i.inhparent = 'movement'::regclass
  ) partition order by begins nulls first`

/** Months that are added when fewer than `fewest` are left ahead. */
export const months = { fewest: 3, added: 6 }

export interface MonthsAhead {
  /** Whole months behind this one that have a partition of their own. */
  readonly ahead: number
  /** Movements stood where no month is: the months were not added in time. */
  readonly isLate: boolean
  readonly added: readonly string[]
}

/**
 * Adds months to the ledger before they come. The new tables are made beforehand; the moment in which the open end gives way to them
 * needs the ledger for itself for some milliseconds, and gives up when it does not get it within half a second, for which sales wait:
 * a lost attempt is no harm, the next round tries again. Only where months come late it takes as long as to read what stands in the
 * open end once.
 */
export async function addMonths(database: Database, now: Date): Promise<MonthsAhead> {
  const found = await look(database.sql, now)
  if (!found.isLate && found.ahead >= months.fewest) return { ahead: found.ahead, isLate: false, added: [] }
  const added = await database.transaction(async tx => {
    // Of several at once one does it.
    const [lock] = await tx<{ taken: boolean }[]>`select pg_try_advisory_xact_lock(hashtext('tidemark movement')) as taken`
    if (!lock?.taken) return []
    const { begins, isLate } = await look(tx, now)
    return begins === null ? [] : extend(tx, { begins, isLate, now })
  })
  const { ahead } = await look(database.sql, now)
  return { ahead, isLate: found.isLate, added }
}

async function look(sql: Queryable, now: Date) {
  const open = (await partitionsOf(sql)).find(({ name }) => name === openEnd)
  const begins = open?.begins ?? null
  const [row] = open ? await sql`select from ${sql(openEnd)} limit 1` : []
  return { begins, isLate: row !== undefined, ahead: begins ? Math.max(monthsBetween(now, begins) - 1, 0) : 0 }
}

async function extend(tx: Tx, { begins, isLate, now }: { begins: Date; isLate: boolean; now: Date }): Promise<string[]> {
  const added: { name: string; from: Date; to: Date }[] = []
  let from = begins
  if (isLate) {
    await tx`set local statement_timeout = 0`
    from = addedTo(monthOf(await newest(tx, now)), 1)
    added.push({ name: nameOf(begins), from: begins, to: from })
  }
  const end = addedTo(monthOf(from > now ? from : now), months.added)
  for (; from < end; from = addedTo(from, 1)) added.push({ name: nameOf(from), from, to: addedTo(from, 1) })
  for (const { name } of added.slice(isLate ? 1 : 0)) await createLike(tx, name)
  await tx`set local lock_timeout = '500ms'`
  await tx`lock table movement in access exclusive mode`
  await tx`alter table movement detach partition ${tx(openEnd)}`
  if (isLate) {
    await tx`alter table ${tx(openEnd)} rename to ${tx(nameOf(begins))}`
    await createLike(tx, openEnd)
  }
  for (const { name, from: first, to } of added) await attach(tx, name, first, `'${to.toISOString()}'`)
  await attach(tx, openEnd, end, 'maxvalue')
  return added.map(({ name }) => name)
}

/** Looked for behind the lock of nobody: what is sold meanwhile is of this month or, at its turn, of the next. */
async function newest(tx: Tx, now: Date): Promise<Date> {
  const [last] = await tx<{ at: Date }[]>`select max(at) as at from ${tx(openEnd)}`
  const soon = new Date(now.getTime() + 86_400_000)
  return last && last.at > soon ? last.at : soon
}

const createLike = (tx: Tx, name: string) => tx`create table ${tx(name)} (like movement including all)`

const attach = (tx: Tx, name: string, from: Date, to: string) => tx`
  alter table movement attach partition ${tx(name)} for values from (${tx.unsafe(`'${from.toISOString()}'`)}) to (${tx.unsafe(to)})`

const nameOf = (begins: Date): string => `movement_${begins.toISOString().slice(0, 7).replace('-', '')}`

export const monthOf = (time: Date): Date => new Date(Date.UTC(time.getUTCFullYear(), time.getUTCMonth()))
export const addedTo = (month: Date, count: number): Date =>
  new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + count))
const monthsBetween = (first: Date, last: Date): number =>
  (last.getUTCFullYear() - first.getUTCFullYear()) * 12 + last.getUTCMonth() - first.getUTCMonth()
