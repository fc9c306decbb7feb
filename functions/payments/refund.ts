import { firstDelivery } from '../../shared/events/inbox.ts'
import { publish } from '../../shared/events/outbox.ts'
import { event } from '../../shared/function/declare.ts'
import { developmentGateway } from './development-gateway.ts'
import type { PaymentGateway } from './gateway.ts'
import { findPayment, insertPayment, markRefunded, type Payment } from './payment.ts'

/**
 * The cancellation may come before the charge has, for they travel as two consumers: then the order's payment is void from the start,
 * and the charge finds that and takes nothing, or gives back what it took.
 */
export const refundPayment = event({
  name: 'payments-refund',
  summary: 'Return the payment of an order that was cancelled',
  topic: 'orders',
  types: ['tidemark.order.cancelled.v1'],
  uses: ['db:payments'],
  scale: { max: 20 },
  setup: () => ({ gateway: developmentGateway as PaymentGateway }),
  async handle({ db, gateway, newId }, cancelled) {
    const { orderId } = cancelled.data
    const paid = await findPayment(db.payments.sql, orderId)
    if (paid?.state === 'succeeded') await gateway.refund({ key: orderId })
    await db.payments.transaction(async tx => {
      if (!(await firstDelivery(tx, 'payments-refund', cancelled.id))) return
      if (!paid && (await insertPayment(tx, voidPayment(orderId, newId(), gateway.name)))) return
      const current = await findPayment(tx, orderId, true)
      if (current?.state !== 'succeeded') return
      // Charged between our look and our lock.
      if (!paid) await gateway.refund({ key: orderId })
      await markRefunded(tx, orderId)
      const { id: paymentId, amount, currency } = current
      await publish(tx, newId, [{ type: 'tidemark.payment.refunded.v1', data: { orderId, paymentId, amount, currency } }])
    })
  },
})

const voidPayment = (orderId: string, id: string, gateway: string): Payment => ({
  orderId,
  id,
  state: 'void',
  amount: 0,
  currency: 'XXX',
  gateway,
  gatewayReference: null,
  declineCode: null,
})
