import type { NewEvent } from '../../shared/events/catalog.ts'
import { firstDelivery } from '../../shared/events/inbox.ts'
import { publish } from '../../shared/events/outbox.ts'
import { event } from '../../shared/function/declare.ts'
import { developmentGateway } from './development-gateway.ts'
import type { ChargeOutcome, PaymentGateway } from './gateway.ts'
import { findPayment, insertPayment, type Payment } from './payment.ts'

export const chargePayment = event({
  name: 'payments-charge',
  summary: 'Take the payment of an order that holds its stock',
  topic: 'orders',
  types: ['tidemark.order.placed.v1'],
  uses: ['db:payments'],
  scale: { max: 20 },
  setup: () => ({ gateway: developmentGateway as PaymentGateway }),
  async handle({ db, gateway, newId }, placed) {
    const { orderId, total: amount, currency, paymentToken: token } = placed.data
    if (await findPayment(db.payments.sql, orderId)) return
    const outcome: ChargeOutcome =
      amount === 0
        ? { outcome: 'taken', reference: 'nothing to pay' }
        : await gateway.charge({ key: orderId, amount, currency, token })
    const payment: Payment = {
      orderId,
      id: newId(),
      state: outcome.outcome === 'taken' ? 'succeeded' : 'failed',
      amount,
      currency,
      gateway: gateway.name,
      gatewayReference: outcome.outcome === 'taken' ? outcome.reference : null,
      declineCode: outcome.outcome === 'declined' ? outcome.code : null,
    }
    const saved = await db.payments.transaction(async tx => {
      if (!(await firstDelivery(tx, 'payments-charge', placed.id)) || !(await insertPayment(tx, payment))) return false
      await publish(tx, newId, [chargedEvent(payment)])
      return true
    })
    if (saved || !payment.gatewayReference) return
    // Cancelled while the provider worked: what was taken goes back. Another delivery of the same charge keeps it.
    const other = await findPayment(db.payments.sql, orderId)
    if (other?.state === 'void') await gateway.refund({ key: `refund:${orderId}`, reference: payment.gatewayReference })
  },
})

function chargedEvent({ orderId, id: paymentId, amount, currency, declineCode }: Payment): NewEvent {
  if (declineCode !== null) return { type: 'tidemark.payment.failed.v1', data: { orderId, paymentId, declineCode } }
  return { type: 'tidemark.payment.succeeded.v1', data: { orderId, paymentId, amount, currency } }
}
