import { Transient } from '../../shared/errors.ts'
import type { PaymentGateway } from './gateway.ts'

/**
 * Takes no money. The token decides, as with the test tokens of real providers:
 * `tok_declined` is declined, `tok_unavailable` finds the provider away, every other is taken.
 * It keeps nothing: the outcome follows from the request, so the same key always has the same outcome.
 */
export const developmentGateway: PaymentGateway = {
  name: 'development',
  async charge({ key, token }) {
    if (token === 'tok_unavailable') throw new Transient('unavailable', 'The payment provider is away.')
    if (token === 'tok_declined') return { outcome: 'declined', code: 'card_declined' }
    return { outcome: 'taken', reference: `dev_${key}` }
  },
  async refund() {},
}
