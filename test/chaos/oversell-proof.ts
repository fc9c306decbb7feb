import type postgres from 'postgres'
import { type Ask, skus } from './oversell-clients.ts'

type Differences = readonly string[]

/** What must be true of the database whatever was asked, each as the rows for which it is not. */
const invariants = {
  'the ledger adds up to the totals': `
    select s.sku, s.location, s.on_hand, s.reserved, s.version, m.* from stock s
    left join (select sku, location, sum(on_hand_delta) as units, sum(reserved_delta) as promised, count(*), max(version) as last
               from movement group by sku, location) m using (sku, location)
    where s.on_hand <> coalesce(m.units, 0) or s.reserved <> coalesce(m.promised, 0)
       or s.version <> coalesce(m.count, 0) or s.version <> coalesce(m.last, 0)`,
  'at no moment was more promised than was there': `
    select * from (
      select sku, location, version, sum(on_hand_delta) over past as on_hand, sum(reserved_delta) over past as reserved from movement
      window past as (partition by sku, location order by version)) as moments
    where on_hand < 0 or reserved < 0 or reserved > on_hand`,
  'what is reserved is what the open reservations hold': `
    select s.sku, s.reserved, held.units from stock s
    left join (select l.sku, l.location, sum(l.quantity - l.committed - l.released) as units
               from reservation join reservation_line l on l.reservation_id = id where state = 'open' group by l.sku, l.location) held
      using (sku, location)
    where s.reserved <> coalesce(held.units, 0)`,
  'every reservation has its lines': `
    select id from reservation where not exists (select from reservation_line where reservation_id = id)`,
}

/** @returns those that do not hold, with the first rows that show it */
export async function untrue(sql: postgres.Sql): Promise<Differences> {
  const found: string[] = []
  for (const [name, query] of Object.entries(invariants)) {
    const rows = await sql.unsafe(`${query} limit 5`)
    if (rows.length > 0) found.push(`not true: ${name}: ${JSON.stringify(rows)}`)
  }
  return found
}

/** What the clients were told, beside what the database says: every answer once, and nothing that nobody asked for. */
export async function disagreements(sql: postgres.Sql, asks: readonly Ask[]): Promise<Differences> {
  const keys = await sql<{ key: string }[]>`select key from idempotency`
  const reservations = await sql<{ line: string }[]>`
    select r.reference || ' ' || r.id || ' ' || l.sku || ' ' || l.quantity as line
    from reservation r join reservation_line l on l.reservation_id = r.id`
  const states = await sql<{ id: string; state: string }[]>`select id, state from reservation`
  const ledger = await sql<{ line: string }[]>`
    select reference || ' ' || kind || ' ' || sku || ' ' || on_hand_delta || ' ' || reserved_delta as line
    from movement where kind <> 'expire'`
  const closed = closedBy(asks)
  const stateOf = new Map(states.map(({ id, state }) => [id, state]))
  return [
    ...differences(
      'remembered answers',
      asks.map(({ key }) => key),
      keys.map(({ key }) => key.split(':').at(-1) as string),
    ),
    ...differences(
      'reservations',
      asks.flatMap(({ key, made }) => (made?.lines ?? []).map(line => `${key} ${made?.id} ${line.sku} ${line.quantity}`)),
      reservations.map(({ line }) => line),
    ),
    ...differences(
      'movements',
      asks.flatMap(movementsOf),
      ledger.map(({ line }) => line),
    ),
    ...asks.flatMap(ask => {
      if (!ask.made) return []
      const state = stateOf.get(ask.made.id) ?? 'missing'
      const after = closed.get(ask.made.id)
      // Of a short hold the time is over, and somebody may have needed its units.
      const possible = after ? [after] : isShort(ask) ? ['open', 'expired'] : ['open']
      return possible.includes(state) ? [] : [`${ask.made.id} is ${state}, the client was told ${possible.join(' or ')}`]
    }),
  ]
}

/** The lines that an answer puts into the ledger. */
function movementsOf({ key, kind, lines, status, made }: Ask): string[] {
  if (status >= 400) return []
  const moved = (quantity: number) =>
    ({ receive: `${quantity} 0`, reserve: `0 ${quantity}`, commit: `${-quantity} ${-quantity}`, release: `0 ${-quantity}` })[kind]
  return (made?.lines ?? lines).map(({ sku, quantity }) => `${key} ${kind} ${sku} ${moved(quantity)}`)
}

/** By the reservation's id: how it was closed, by the answers. */
const closedBy = (asks: readonly Ask[]): Map<string, string> =>
  new Map(
    asks.flatMap(({ reservation, kind, status }) =>
      reservation !== undefined && status === 200 ? [[reservation, kind === 'commit' ? 'committed' : 'released']] : [],
    ),
  )

export const isShort = ({ ttl }: Ask): boolean => ttl !== undefined && ttl < 60

/** Units of each SKU that clients hold or took for good, by their answers alone; those of short holds, which may lapse, left out. */
export function soldByAnswers(asks: readonly Ask[]): { sku: string; received: number; sold: number }[] {
  const released = new Set(asks.filter(({ kind, status }) => kind === 'release' && status === 200).map(one => one.reservation))
  const unitsOf = (sku: string, lines: Ask['lines']) =>
    lines.filter(line => line.sku === sku).reduce((sum, line) => sum + line.quantity, 0)
  const total = (sku: string, some: readonly Ask[]) =>
    some.reduce((sum, ask) => sum + unitsOf(sku, ask.made?.lines ?? ask.lines), 0)
  return skus.map(sku => ({
    sku,
    received: total(
      sku,
      asks.filter(({ kind, status }) => kind === 'receive' && status === 201),
    ),
    sold: total(
      sku,
      asks.filter(ask => ask.made && !isShort(ask) && !released.has(ask.made.id)),
    ),
  }))
}

/** Each line once on both sides. */
function differences(what: string, told: readonly string[], found: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const one of told) counts.set(one, (counts.get(one) ?? 0) + 1)
  for (const one of found) counts.set(one, (counts.get(one) ?? 0) - 1)
  return [...counts].flatMap(([one, count]) =>
    count === 0 ? [] : [`${what}: ${one} ${count > 0 ? 'was answered and is not there' : 'is there and was not answered'}`],
  )
}
