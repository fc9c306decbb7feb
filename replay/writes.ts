import type { Call } from './calls.ts'
import type { CancellationStep, Step } from './steps.ts'

/** Every step but a cancellation is one call whose content is known beforehand. The key is stable: `run:kind:id`. */
export function writeOf(step: Exclude<Step, CancellationStep>, run: string): Call {
  const key = keyOf(step, run)
  switch (step.kind) {
    case 'opening':
    case 'delivery': {
      const reason = step.kind === 'opening' ? 'opening' : 'supplier'
      return post(step.kind, '/v1/stock/receipts', key, { lines: step.lines, reason, reference: step.reference })
    }
    case 'return':
      return post('return', '/v1/stock/receipts', key, { lines: step.lines, reason: 'return', reference: step.id })
    case 'adjustment':
      return post('adjustment', '/v1/stock/adjustments', key, { lines: step.lines, reason: step.reason, reference: step.id })
    case 'thresholds':
      return { name: 'thresholds', method: 'PUT', path: '/v1/thresholds', key, body: { thresholds: step.levels } }
    case 'order':
      return post('order', '/v1/orders', key, {
        lines: step.lines,
        currency: 'GBP',
        ...(step.customer === '' ? {} : { customer: step.customer }),
        reference: step.id,
        payment: { token: 'tok_visa' },
      })
  }
}

export function cancelOf(step: CancellationStep, orderId: string, run: string): Call {
  const path = `/v1/orders/${encodeURIComponent(orderId)}/cancel`
  return post('cancel', path, keyOf(step, run), { reason: `credit note ${step.id}` })
}

const keyOf = (step: Step, run: string) => `${run}:${step.kind}:${step.id}`

function post(name: string, path: string, key: string, body: unknown): Call {
  return { name, method: 'POST', path, key, body }
}
