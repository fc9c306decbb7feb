/** How a value gets into a statement: `:sku` for pgbench, `$1` for a client. */
export interface Parameters {
  readonly sku: string
  readonly key: string
}

/**
 * The transaction of one reservation as one statement, which is what a careful author of plain SQL would write: a conditional update
 * and, only when it found stock, the movement, the reservation, its line, the remembered answer and the event.
 * @param uuid the server's function for an id that grows with time, where it has one
 */
export const reservationStatement = ({ sku, key }: Parameters, uuid: string): string => `
with taken as (
  update stock set reserved = reserved + 1, version = version + 1
  where sku = ${sku} and location = 'main' and on_hand - reserved - safety_stock + backorder_limit >= 1
  returning sku, location, on_hand, reserved, on_hand - reserved - safety_stock as available, version
), made as (select *, ${uuid}() as id, clock_timestamp() as at from taken
), moved as (
  insert into movement (sku, location, version, kind, on_hand_delta, reserved_delta, actor, at)
  select sku, location, version, 'reserve', 0, 1, 'retailer', at from made
), opened as (
  insert into reservation (id, state, actor, expires_at, created_at)
  select id, 'open', 'retailer', at + interval '900 s', at from made
), lined as (
  insert into reservation_line (reservation_id, sku, location, quantity) select id, sku, location, 1 from made
), remembered as (
  insert into idempotency (key, fingerprint, status, response)
  select ${key}, encode(sha256(convert_to(${key}, 'UTF8')), 'base64'), 201,
    json_build_object('id', id, 'state', 'open', 'reference', null, 'expiresAt', at + interval '900 s',
      'lines', json_build_array(json_build_object('sku', sku, 'location', location, 'quantity', 1)))::text
  from made
)
insert into outbox (event_id, type, key, data, traceparent)
select ${uuid}(), 'tidemark.stock.changed.v1', sku,
  json_build_object('sku', sku, 'location', location, 'onHand', on_hand, 'reserved', reserved, 'version', version,
    'available', available, 'kind', 'reserve', 'reference', null)::text,
  '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
from made`
