import type postgres from 'postgres'
import type { AnsweredWrite } from './recovery-load.ts'

/** What must be true of every inventory database, each as the rows for which it is not. */
const invariants = {
  'the ledger adds up to the totals': `
    select s.sku, s.location, s.on_hand, s.reserved, s.version, m.* from stock s
    left join (select sku, location, sum(on_hand_delta) as on_hand, sum(reserved_delta) as reserved, count(*) as count, max(version) as last
               from movement group by sku, location) m using (sku, location)
    where s.on_hand <> coalesce(m.on_hand, 0) or s.reserved <> coalesce(m.reserved, 0)
       or s.version <> coalesce(m.count, 0) or s.version <> coalesce(m.last, 0)`,
  'what is reserved is what the open reservations say': `
    select s.sku, s.location, s.reserved, r.reserved as open from stock s
    left join (select l.sku, l.location, sum(l.quantity - l.committed - l.released) as reserved from reservation join reservation_line l on l.reservation_id = id
               where state = 'open' group by l.sku, l.location) r using (sku, location)
    where s.reserved <> coalesce(r.reserved, 0)`,
  'nothing is oversold': `select sku, location, on_hand, reserved from stock where on_hand < 0 or reserved > on_hand + backorder_limit`,
  'every reservation has its lines': `
    select id from reservation where not exists (select from reservation_line where reservation_id = id)`,
  'every place that moved is there': `
    select sku, location from movement except select sku, location from stock`,
}

/** @returns those that do not hold, with the first rows that show it */
export async function brokenInvariants(inventory: postgres.Sql): Promise<string[]> {
  const broken: string[] = []
  for (const [name, query] of Object.entries(invariants)) {
    const rows = await inventory.unsafe(`${query} limit 5`)
    if (rows.length > 0) broken.push(`not true: ${name}: ${JSON.stringify(rows)}`)
  }
  return broken
}

/** Writes that a client has an answer to and the database knows nothing of: neither the answer nor what it was the answer to. */
export async function lostWrites(inventory: postgres.Sql, answered: readonly AnsweredWrite[]): Promise<AnsweredWrite[]> {
  const keys = new Set((await inventory<{ key: string }[]>`select key from idempotency`).map(({ key }) => key.split(':').at(-1)))
  const rows = await inventory<{ id: string; state: string }[]>`select id, state from reservation`
  const states = new Map(rows.map(({ id, state }) => [id, state]))
  return answered.filter(({ key, kind, reservation }) => {
    if (!keys.has(key)) return true
    if (kind === 'reserve') return !states.has(reservation as string)
    return kind === 'commit' && states.get(reservation as string) !== 'committed'
  })
}
