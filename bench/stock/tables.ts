import postgres from 'postgres'

export interface Tables {
  /** Empties what grows and puts the stock back, so that every run begins with the same tables. */
  reset(): Promise<void>
  reservations(): Promise<number>
  /** The server's function for an id: one that grows with time from version 18 on. */
  uuid(): Promise<string>
  close(): Promise<void>
}

/** The inventory database with `skus` items, of which no bench sells the last. */
export function openTables(url: string, skus: number): Tables {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  return {
    async reset() {
      await sql`truncate movement, reservation_line, reservation, idempotency, outbox, stock`
      await sql`insert into stock (sku, location, on_hand)
        select 'SKU-' || lpad(n::text, 5, '0'), 'main', 1000000000 from generate_series(0, ${skus - 1}::int) n`
      await sql`vacuum analyze stock`
      // What the runs before have left to write must not fall on this one.
      await sql`checkpoint`
    },
    async reservations() {
      const [found] = await sql`select count(*)::int as count from reservation`
      return (found as { count: number }).count
    },
    async uuid() {
      const [found] = await sql`select 1 from pg_proc where proname = 'uuidv7'`
      return found ? 'uuidv7' : 'gen_random_uuid'
    },
    close: () => sql.end({ timeout: 5 }),
  }
}
