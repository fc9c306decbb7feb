import type { Queryable, Tx } from '../../shared/data/postgres.ts'

/** `void`: cancelled before it was charged, and never to be charged. */
export type PaymentState = 'succeeded' | 'failed' | 'refunded' | 'void'

export interface Payment {
  readonly orderId: string
  readonly id: string
  readonly state: PaymentState
  /** Minor units. */
  readonly amount: number
  readonly currency: string
  readonly gateway: string
  readonly gatewayReference: string | null
  readonly declineCode: string | null
}

export async function findPayment(sql: Queryable, orderId: string, lock = false): Promise<Payment | undefined> {
  const [payment] = await sql<Payment[]>`
    select order_id as "orderId", id, state, amount, currency, gateway, gateway_reference as "gatewayReference", decline_code as "declineCode"
    from payment where order_id = ${orderId} ${lock ? sql`for update` : sql``}`
  return payment
}

/** @returns false when the order has a payment already */
export async function insertPayment(tx: Tx, payment: Payment): Promise<boolean> {
  const rows = await tx`
    insert into payment (order_id, id, state, amount, currency, gateway, gateway_reference, decline_code)
    values (${payment.orderId}, ${payment.id}, ${payment.state}, ${payment.amount}, ${payment.currency}, ${payment.gateway},
            ${payment.gatewayReference}, ${payment.declineCode})
    on conflict do nothing returning 1`
  return rows.length > 0
}

export const markRefunded = (tx: Tx, orderId: string) => tx`
  update payment set state = 'refunded', updated_at = now() where order_id = ${orderId}`
