import type { NewEvent } from '../../shared/events/catalog.ts'
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
  scale: { max: 20, retention: 30 },
  setup: () => ({ gateway: developmentGateway as PaymentGateway }),
  async handle({ db, gateway, newId }, placed) {
    const { orderId, total: amount, currency, paymentToken: token } = placed.data
    const existing = await findPayment(db.payments.sql, orderId)
    // Cancelled before it was charged, or while it was: whatever an earlier delivery may have taken goes back.
    if (existing?.state === 'void') return gateway.refund({ key: orderId })
    if (existing) return
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
    // The order's one payment row is the inbox: a second delivery finds it.
    const saved = await db.payments.transaction(async tx => {
      if (!(await insertPayment(tx, payment))) return false
      await publish(tx, newId, [chargedEvent(payment)])
      return true
    })
    if (!saved && (await findPayment(db.payments.sql, orderId))?.state === 'void') await gateway.refund({ key: orderId })
  },
})

function chargedEvent({ orderId, id: paymentId, amount, currency, declineCode }: Payment): NewEvent {
  if (declineCode !== null) return { type: 'tidemark.payment.failed.v1', data: { orderId, paymentId, declineCode } }
  return { type: 'tidemark.payment.succeeded.v1', data: { orderId, paymentId, amount, currency } }
}
