import postgres from 'postgres'

/** Puts so many stock events into the outbox in one transaction: from its commit on they all wait. */
export async function fillOutbox(url: string, events: number): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  await sql`truncate outbox`
  await sql`
    insert into outbox (event_id, type, key, data, traceparent)
    select gen_random_uuid(), 'tidemark.stock.changed.v1', sku,
      json_build_object('sku', sku, 'location', 'main', 'onHand', 1000000, 'reserved', n, 'available', 1000000 - n, 'version', n,
        'kind', 'reserve', 'reference', null)::text,
      '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    from (select n, 'SKU-' || lpad((n % 10000)::text, 5, '0') as sku from generate_series(1, ${events}::int) n) as numbered`
  await sql`vacuum analyze outbox`
  await sql.end()
}
