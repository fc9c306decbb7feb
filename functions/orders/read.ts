import { z } from 'zod'
import { decodeCursor, pageOf } from '../../shared/cursor.ts'
import { Count, Id, page, pageQuery, Reference, Timestamp } from '../../shared/fields.ts'
import { service } from '../../shared/function/declare.ts'
import { operation } from '../../shared/function/operation.ts'
import type { Deps } from '../../shared/function/resources.ts'
import { finalStates, OrderBody, type OrderState, orderBody, orderStates } from './order.ts'
import { listOrders, loadOrder } from './store.ts'

const uses = ['db:orders'] as const
const orderOperation = operation<Deps<typeof uses>>()
const position = z.tuple([Timestamp, Id])

const readOne = orderOperation({
  id: 'orders-read',
  route: 'GET /v1/orders/{id}',
  summary: 'Read an order',
  allow: ['orders:read', 'orders:write'],
  problems: ['not_found'],
  input: z.strictObject({ id: Id }),
  output: OrderBody,
  handle: async ({ db }, { id }) => orderBody(await loadOrder(db.orders.sql, id)),
})

const list = orderOperation({
  id: 'orders-list',
  route: 'GET /v1/orders',
  summary: 'List orders',
  description: 'Newest first, a page at a time.',
  allow: ['orders:read', 'orders:write'],
  input: z.strictObject({ state: z.enum(orderStates).optional(), reference: Reference.optional(), ...pageQuery }),
  output: page(OrderBody).meta({ id: 'OrderPage' }),
  async handle({ db }, { state, reference, limit, cursor }) {
    const rows = await listOrders(db.orders.sql, { state, reference, after: decodeCursor(cursor, position), limit: limit + 1 })
    const { items, next } = pageOf(rows, limit, order => [order.placedAt.toISOString(), order.id])
    return { items: items.map(orderBody), next }
  },
})

const summary = orderOperation({
  id: 'orders-summary',
  route: 'GET /v1/orders/summary',
  summary: 'Count orders by state',
  allow: ['orders:read', 'orders:write'],
  input: z.strictObject({}),
  output: z
    .object({
      states: z.object(Object.fromEntries(orderStates.map(state => [state, Count])) as Record<OrderState, typeof Count>),
      final: z.boolean().meta({ description: 'No order is on its way to another state by itself.' }),
    })
    .meta({ id: 'OrderSummary' }),
  async handle({ db }) {
    const rows = await db.orders.sql<
      { state: OrderState; orders: number }[]
    >`select state, count(*) as orders from orders group by state`
    const counted = new Map(rows.map(row => [row.state, row.orders]))
    const states = Object.fromEntries(orderStates.map(state => [state, counted.get(state) ?? 0])) as Record<OrderState, number>
    return { states, final: orderStates.every(state => finalStates.includes(state) || states[state] === 0) }
  },
})

export const readOrders = service({
  name: 'orders-read',
  summary: 'Read orders',
  uses,
  scale: { max: 20 },
  operations: [summary, list, readOne],
})
