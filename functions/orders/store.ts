import type { Queryable, Tx } from '../../shared/data/postgres.ts'
import { Rejected } from '../../shared/errors.ts'
import { publish } from '../../shared/events/outbox.ts'
import type { Change, Order } from './order.ts'

const columns = (sql: Queryable) => sql`
  o.id, o.state, o.client, o.customer, o.reference, o.currency, o.total, o.payment_token as "paymentToken",
  o.reservation_id as "reservationId", o.payment_id as "paymentId", o.reason, o.placed_at as "placedAt", o.updated_at as "updatedAt",
  (select coalesce(jsonb_agg(jsonb_build_object('sku', sku, 'location', location, 'quantity', quantity, 'unitPrice', unit_price) order by number), '[]')
   from order_line where order_id = o.id) as lines`

export async function loadOrder(sql: Queryable, id: string): Promise<Order> {
  const [order] = await sql<Order[]>`select ${columns(sql)} from orders o where o.id = ${id}`
  if (!order) throw new Rejected('not_found', `There is no order ${id}.`)
  return order
}

export async function loadOrderForUpdate(tx: Tx, id: string): Promise<Order> {
  await tx`select 1 from orders where id = ${id} for update`
  return loadOrder(tx, id)
}

export interface OrderFilter {
  readonly state: string | undefined
  readonly reference: string | undefined
  readonly after: readonly string[] | undefined
  readonly limit: number
}

/** Newest first. */
export const listOrders = (sql: Queryable, { state, reference, after, limit }: OrderFilter): PromiseLike<Order[]> => sql<Order[]>`
  select ${columns(sql)} from orders o
  where (${state ?? null}::text is null or o.state = ${state ?? null})
    and (${reference ?? null}::text is null or o.reference = ${reference ?? null})
    and (${after?.[0] ?? null}::timestamptz is null or (o.placed_at, o.id) < (${after?.[0] ?? null}::timestamptz, ${after?.[1] ?? null}::uuid))
  order by o.placed_at desc, o.id desc
  limit ${limit}`

/** Orders that waited for the stock service since before `before`, oldest first. */
export const listAwaitingStock = (sql: Queryable, limit: number): PromiseLike<Order[]> => sql<Order[]>`
  select ${columns(sql)} from orders o where o.state = 'awaiting_stock' order by o.placed_at limit ${limit}`

/** @returns false when an order with this id is already there */
export async function insertOrder(tx: Tx, newId: () => string, { next, events }: Change): Promise<boolean> {
  const inserted = await tx`
    insert into orders (id, state, client, customer, reference, currency, total, payment_token, reservation_id, placed_at, updated_at)
    values (${next.id}, ${next.state}, ${next.client}, ${next.customer}, ${next.reference}, ${next.currency}, ${next.total},
            ${next.paymentToken}, ${next.reservationId}, ${next.placedAt}, ${next.updatedAt})
    on conflict do nothing returning 1`
  if (inserted.length === 0) return false
  await Promise.all([insertLines(tx, next), noteTransition(tx, next, next.client), publish(tx, newId, events)])
  return true
}

const insertLines = (tx: Tx, { id, lines }: Order) => tx`
  insert into order_line (order_id, number, sku, location, quantity, unit_price)
  select ${id}::uuid, number, sku, location, quantity, unit_price
  from unnest(
    ${lines.map(line => line.sku)}::text[], ${lines.map(line => line.location)}::text[],
    ${lines.map(line => line.quantity)}::bigint[], ${lines.map(line => line.unitPrice)}::bigint[]
  ) with ordinality as line (sku, location, quantity, unit_price, number)`

export async function saveOrder(tx: Tx, newId: () => string, { next, events }: Change, actor: string): Promise<void> {
  await Promise.all([
    tx`
      update orders set state = ${next.state}, reservation_id = ${next.reservationId}, payment_id = ${next.paymentId},
        reason = ${next.reason}, updated_at = ${next.updatedAt}
      where id = ${next.id}`,
    noteTransition(tx, next, actor),
    publish(tx, newId, events),
  ])
}

const noteTransition = (tx: Tx, order: Order, actor: string) => tx`
  insert into order_transition (order_id, at, state, reason, actor)
  values (${order.id}, ${order.updatedAt}, ${order.state}, ${order.reason}, ${actor})`
